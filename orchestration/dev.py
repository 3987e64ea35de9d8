"""`make dev`: Dagster's UI over the history that `kairos run` writes, on loopback."""

import os
import sys

from dotenv import load_dotenv

from orchestration.instance import dagster_home, instance, release_pool
from warehouse.home import PROJECT, Home

PORT = "3000"


def main() -> None:
    """Become `dagster dev`, which finds the code location in pyproject.toml.

    Its state is below KAIROS_HOME; KAIROS_DEV_PORT moves it to another port.
    """
    load_dotenv(PROJECT / ".env", override=False)
    home = Home.from_env(os.environ)
    with instance(home) as history:
        release_pool(home, history)
    env = {**os.environ, "DAGSTER_HOME": str(dagster_home(home)), "KAIROS_HOME": str(home.root)}
    where = ["--host", "127.0.0.1", "--port", env.get("KAIROS_DEV_PORT", PORT)]
    command = [sys.executable, "-m", "dagster", "dev", *where]
    os.chdir(PROJECT)
    os.execve(sys.executable, command, env)


if __name__ == "__main__":
    main()
