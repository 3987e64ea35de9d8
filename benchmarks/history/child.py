"""Run something in a process of its own, so that its time and peak of memory are its own too."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any


@dataclass(frozen=True)
class Measured:
    """What a piece of work gave, and what it cost."""

    answer: Any
    elapsed_seconds: float
    """Of the work alone."""
    cpu_seconds: float
    """Of all threads, the start of Python included: what a busy machine does not distort."""
    peak_bytes: int


def measured(work: Callable[..., Any], *arguments: object) -> Measured:
    """Call `work`, a function of a module, in a fresh process. It must not fail."""
    context = get_context("spawn")
    answer, question = context.Pipe(duplex=False)
    process = context.Process(target=_timed, args=(work, arguments, question))
    process.start()
    question.close()
    try:
        given, elapsed_seconds = answer.recv()
    except EOFError:
        given, elapsed_seconds = None, 0.0
    _, status, usage = os.wait4(process.pid or 0, 0)
    if status:
        raise SystemExit(f"{work.__module__}.{work.__name__} failed: see above")
    cpu_seconds = usage.ru_utime + usage.ru_stime
    return Measured(given, elapsed_seconds, cpu_seconds, usage.ru_maxrss * 1024)


def _timed(work: Callable[..., Any], arguments: tuple[object, ...], answer: Connection) -> None:
    start = time.perf_counter()
    given = work(*arguments)
    answer.send((given, time.perf_counter() - start))
