"""`python -m benchmarks [NAME [ARGUMENTS]]`: one benchmark, or all that need no files."""

import sys
from runpy import run_module

NAMES = ("ingest", "history", "deciding", "replay")


def main() -> None:
    """Run the benchmark that is named, or each in turn."""
    name, *arguments = sys.argv[1:] or [None]
    for each in [name] if name else NAMES:
        sys.argv = [f"benchmarks.{each}", *arguments]
        run_module(f"benchmarks.{each}", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
