"""One writer at a time: a lock beside the warehouse file, whose holder can be named."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from warehouse.errors import KairosError, WarehouseLocked
from warehouse.home import Home

DEFAULT_TIMEOUT_SECONDS = 60.0
TIMEOUT_VARIABLE = "KAIROS_LOCK_TIMEOUT_SECONDS"


def lock_timeout(env: Mapping[str, str]) -> float:
    """Read how many seconds a writer waits for another, from KAIROS_LOCK_TIMEOUT_SECONDS."""
    text = env.get(TIMEOUT_VARIABLE) or str(DEFAULT_TIMEOUT_SECONDS)
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise KairosError(
            f"{TIMEOUT_VARIABLE} is {text!r}: set it to a number of seconds, 0 or more"
        )
    return seconds


@contextmanager
def writer(
    home: Home,
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    on_wait: Callable[[str], None] | None = None,
) -> Iterator[None]:
    """Hold the one-writer lock; reentrant within a thread.

    Waits up to `timeout_seconds`, after one call of `on_wait` with a sentence that names the holder
    (by default it is printed to stderr). Raises `WarehouseLocked` when the wait is over.
    """
    home.ensure()
    lock = FileLock(_beside(home, ".lock"), is_singleton=True)
    try:
        _acquire(lock, home, timeout_seconds, on_wait or _print)
    except OSError as error:
        raise KairosError(
            f"cannot lock {home.warehouse}: {error.strerror}; make its folder writable"
        ) from error
    note = _beside(home, ".writer")
    is_outermost = lock.lock_counter == 1
    try:
        if is_outermost:
            note.write_text(f"process {os.getpid()} ({Path(sys.argv[0]).name or 'python'})")
        yield
    finally:
        if is_outermost:
            note.unlink(missing_ok=True)
        lock.release()


def holder(home: Home) -> str | None:
    """Say which process holds the one-writer lock; None when nobody does."""
    lock = FileLock(_beside(home, ".lock"))
    if not home.warehouse.parent.is_dir():
        return None
    try:
        with lock.acquire(timeout=0):
            return None
    except Timeout:
        return _holder_note(home)


def _acquire(
    lock: FileLock, home: Home, timeout_seconds: float, on_wait: Callable[[str], None]
) -> None:
    try:
        lock.acquire(timeout=0)
        return
    except Timeout:
        on_wait(f"{_holder_note(home)} is writing to {home.warehouse}; waiting for it")
    try:
        lock.acquire(timeout=timeout_seconds)
    except Timeout as error:
        raise WarehouseLocked(
            f"{_holder_note(home)} still writes to {home.warehouse} after {timeout_seconds:g} s: "
            f"wait for it to end, or allow more time with {TIMEOUT_VARIABLE}"
        ) from error


def _holder_note(home: Home) -> str:
    try:
        return _beside(home, ".writer").read_text() or "another process"
    except OSError:
        return "another process"


def _beside(home: Home, suffix: str) -> Path:
    return home.warehouse.with_name(home.warehouse.name + suffix)


def _print(sentence: str) -> None:
    print(f"kairos: {sentence}", file=sys.stderr, flush=True)
