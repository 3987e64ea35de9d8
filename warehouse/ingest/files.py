"""From what a person points at, files, folders and globs, to the files to take."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path

from warehouse.errors import KairosError

SUFFIXES = frozenset(
    (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".txt", ".log", ".parquet", ".gz", ".zip", "")
)
"""What is taken from a folder; a file that is named is tried whatever its suffix."""


class FileRefused(KairosError):
    """A file was not taken, and nothing of it was."""

    def __init__(self, path: str, reason: str) -> None:
        """Name the file and say why, and what to do."""
        super().__init__(f"{path} {reason}")
        self.path = path
        self.reason = reason


@dataclass(frozen=True)
class Found:
    """The files to take, in a fixed order, and what could not be found."""

    files: tuple[Path, ...]
    refused: tuple[FileRefused, ...]
    skipped: tuple[Path, ...]
    """Files of a folder that are no event files, going by their suffix."""


def find(paths: Iterable[str]) -> Found:
    """Resolve files, folders (with everything below them) and globs; each file once."""
    files: dict[Path, None] = {}
    refused: list[FileRefused] = []
    skipped: dict[Path, None] = {}
    for path in paths:
        try:
            taken, left = _resolve(path)
        except FileRefused as refusal:
            refused.append(refusal)
            continue
        except OSError as error:
            refused.append(FileRefused(path, f"cannot be read: {error.strerror}"))
            continue
        files.update(dict.fromkeys(taken))
        skipped.update(dict.fromkeys(left))
    return Found(tuple(files), tuple(refused), tuple(skipped))


def _resolve(path: str) -> tuple[list[Path], list[Path]]:
    place = Path(path).expanduser()
    if place.is_dir():
        return _folder(path, place)
    if place.exists():
        if not place.is_file():
            raise FileRefused(path, "is no regular file: save it as one first")
        return [place.resolve()], []
    if has_magic(path):
        return _glob(path, place)
    raise FileRefused(path, "does not exist: check the path")


def _glob(path: str, place: Path) -> tuple[list[Path], list[Path]]:
    files = [
        found
        for name in sorted(glob(str(place), recursive=True))
        if (found := Path(name)).is_file()
    ]
    if not files:
        raise FileRefused(path, "matches no file: check the pattern")
    return [file.resolve() for file in files], []


def _folder(path: str, place: Path) -> tuple[list[Path], list[Path]]:
    everything = [file.resolve() for file in sorted(place.rglob("*")) if _is_delivered(place, file)]
    files = [file for file in everything if file.suffix.lower() in SUFFIXES]
    if not files:
        seen = f"among its {len(everything)} files" if everything else "in it"
        raise FileRefused(path, f"is a folder with no file of events {seen}: point at another")
    return files, [file for file in everything if file.suffix.lower() not in SUFFIXES]


def _is_delivered(folder: Path, file: Path) -> bool:
    # job frameworks leave markers such as _SUCCESS and .part files beside what they deliver
    names: Sequence[str] = file.relative_to(folder).parts
    return file.is_file() and not any(name.startswith((".", "_")) for name in names)
