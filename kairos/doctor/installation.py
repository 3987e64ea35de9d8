"""Python, the packages, and the place where state lives."""

import os
import shutil
import stat
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryFile

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from kairos.doctor.check import Check, fail, ok, warn
from warehouse.home import Home

LITTLE_SPACE_BYTES = 2 << 30


def check_python(project: Path) -> Check:
    """See that this Python is one that the project supports."""
    wanted = SpecifierSet(_package(project)["requires-python"])
    found = ".".join(map(str, sys.version_info[:3]))
    if found in wanted:
        return ok("python", f"{found} at {sys.executable}")
    return fail("python", f"{found} is not {wanted}: run `make setup` with such a Python")


def check_packages(project: Path) -> Check:
    """See that the installed packages are those that the project asks for."""
    requirements = [Requirement(text) for text in _package(project)["dependencies"]]
    wrong = [trouble for each in requirements if (trouble := _trouble(each))]
    if wrong:
        return fail("packages", f"{'; '.join(wrong)}: run `make setup`")
    main = ("dbt-core", "dbt-duckdb", "duckdb", "dagster")
    return ok("packages", ", ".join(f"{name} {version(name)}" for name in main))


def check_home(home: Home) -> Check:
    """See that state can be written, by its owner alone, and that there is room for it."""
    try:
        home.ensure()
        with TemporaryFile(dir=home.root) as probe:
            probe.write(b"kairos")
    except OSError as error:
        return fail(
            "home", f"{home.root} cannot be written ({error.strerror}): mend it, or set KAIROS_HOME"
        )
    if remarks := list(_remarks(home.root)):
        return warn("home", f"{home.root}: {'; '.join(remarks)}")
    return ok("home", f"{home.root}, {_gigabytes(shutil.disk_usage(home.root).free)} free")


def _remarks(folder: Path) -> Iterator[str]:
    if stat.S_IMODE(os.stat(folder).st_mode) & 0o077:
        yield f"others can look into it, and events are personal data: chmod 700 {folder}"
    free = shutil.disk_usage(folder).free
    if free < LITTLE_SPACE_BYTES:
        yield f"only {_gigabytes(free)} free: make room, or set KAIROS_HOME"


def _trouble(requirement: Requirement) -> str | None:
    if requirement.marker and not requirement.marker.evaluate():
        return None
    try:
        found = version(requirement.name)
    except PackageNotFoundError:
        return f"{requirement.name} is missing"
    if requirement.specifier.contains(found, prereleases=True):
        return None
    return f"{requirement.name} is {found}, not {requirement.specifier}"


def _package(project: Path) -> dict[str, list[str] | str]:
    return tomllib.loads((project / "pyproject.toml").read_text())["project"]


def _gigabytes(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"
