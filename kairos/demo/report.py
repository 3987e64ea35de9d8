"""The one table with which the demo ends."""

from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from kairos.demo.compare import Pair
from kairos.demo.reconcile import Word
from kairos.output import plural

WIDTH = 100
MOST_REASONS = 8


@dataclass(frozen=True)
class Report:
    """Everything that the demo has to say in the end."""

    words: list[Word]
    planted: list[Pair]
    delivered: list[Pair]
    sent_count: int
    """Operations sent in this run."""
    request_count: int
    """Requests that the sandbox saw in this run."""
    problems: list[str]
    """What needs a person, a sentence each."""
    elapsed_seconds: float

    @property
    def is_reconciled(self) -> bool:
        """Say whether every row is accounted for, and the destinations hold what we believe."""
        return not any(word.unexplained for word in self.words) and not any(
            pair.difference for pair in self.delivered
        )


def table(report: Report) -> Table:
    """Lay out the table: the seven words, then planted and found, then ledger and destinations."""
    result = Table(title="The line, reconciled", width=WIDTH, expand=False, pad_edge=False)
    result.add_column("word", no_wrap=True)
    result.add_column("went in", justify="right", no_wrap=True)
    result.add_column("came out", justify="right", no_wrap=True)
    result.add_column("the rest, and why", ratio=1)
    result.add_column("left", justify="right", no_wrap=True)
    for word in report.words:
        result.add_row(
            word.name,
            f"{word.went_in:,}\n{word.unit}",
            f"{word.came_out:,}\n{word.outcome}",
            f"{_rest(word)}\n     -> {word.gave or 'nothing'}",
            _mark(word.unexplained),
            end_section=True,
        )
    _add_pairs(result, "planted", "found", report.planted)
    _add_pairs(result, "ledger", "destination", report.delivered)
    return result


def show(report: Report, console: Console, places: dict[str, str]) -> None:
    """Print the table, one sentence on this run, and where to look next."""
    console.print(table(report))
    sent = plural(report.sent_count, "operation") if report.sent_count else "nothing"
    requests = plural(report.request_count, "request")
    console.print(f"Sent in this run: {sent}, in {requests}; {report.elapsed_seconds:.0f} s.")
    if report.is_reconciled:
        console.print("Every row is accounted for, and the destinations hold what the ledger says.")
    console.print("Where to look next:")
    for what, place in places.items():
        console.print(f"  {what:<28} {place}", soft_wrap=True, highlight=False)


def _rest(word: Word) -> str:
    shown = word.rest[:MOST_REASONS]
    others = sum(count for _, count in word.rest[MOST_REASONS:])
    if others:
        shown = (*shown, ("for other reasons", others))
    return "\n".join(f"{count:>7,} {reason}" for reason, count in shown) or f"{'nothing':>15}"


def _add_pairs(result: Table, left: str, right: str, pairs: list[Pair]) -> None:
    result.add_row("", f"[bold]{left}[/]", f"[bold]{right}[/]", "", "")
    for position, pair in enumerate(pairs):
        result.add_row(
            "",
            f"{pair.left:,}",
            f"{pair.right:,}",
            pair.name,
            _mark(pair.difference),
            end_section=position == len(pairs) - 1,
        )


def _mark(difference: int) -> str:
    return f"[bold red]{difference:,}[/]" if difference else "0"
