"""For each word of the line: what went in, what came out, and why the rest did not.

The three are counted by queries of their own, so that a row that nobody accounts for shows: what
went in, less what came out, less the rest, must be nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from duckdb import DuckDBPyConnection


@dataclass(frozen=True)
class Word:
    """One word of the line, in the unit of what went in."""

    name: str
    unit: str
    went_in: int
    outcome: str
    came_out: int
    rest: tuple[tuple[str, int], ...]
    gave: str
    """What the word made of it, in its own unit."""

    @property
    def unexplained(self) -> int:
        """What went in and is neither out nor among the rest."""
        return self.went_in - self.came_out - sum(count for _, count in self.rest)


def reconcile(connection: DuckDBPyConnection) -> list[Word]:
    """Count every word of the line in a warehouse that has been built."""
    return [
        _events(connection),
        _sessions(connection),
        _signals(connection),
        _scores(connection),
        _triggers(connection),
        _deliveries(connection),
        _outcomes(connection),
    ]


def _events(connection: DuckDBPyConnection) -> Word:
    files = "(select source_file from raw.loads where format != 'users')"
    return Word(
        name="events",
        unit="lines",
        went_in=number(
            connection,
            "select (select count(*) from raw.events)"
            " + (select count(*) from raw.events_segment)"
            f" + (select count(*) from raw.unreadable_lines where source_file in {files})",
        ),
        outcome="accepted",
        came_out=number(connection, "select count(*) from kairos.events"),
        rest=reasons(
            connection, "select reason, count(*) from kairos.events_rejected group by reason"
        ),
        gave=listed(
            connection,
            "select case when user_id is null then 'anonymous' else 'by known people' end, count(*)"
            " from kairos.events group by all",
        ),
    )


def _sessions(connection: DuckDBPyConnection) -> Word:
    return Word(
        name="sessions",
        unit="events",
        went_in=number(connection, "select count(*) from kairos.events"),
        outcome="in people's sessions",
        came_out=number(
            connection,
            "select coalesce(sum(event_count), 0) from kairos.sessions where not is_bot",
        ),
        rest=reasons(
            connection,
            """
            select 'bot: ' || bot_reasons, sum(event_count)
            from kairos.sessions where is_bot group by bot_reasons
            union all
            select 'in no session', count(*)
            from kairos.events
            where event_id not in (select event_id from kairos.session_events)
            """,
        ),
        gave=listed(
            connection,
            "select case when is_bot then 'sessions of bots' else 'sessions of people' end,"
            " count(*) from kairos.sessions group by all",
        ),
    )


def _signals(connection: DuckDBPyConnection) -> Word:
    with_signals = """
        select session_id, bool_or(is_applicable) as is_applicable,
            min(not_applicable_reason) as reason
        from kairos.signals group by session_id
    """
    return Word(
        name="signals",
        unit="sessions",
        went_in=number(connection, "select count(*) from kairos.sessions"),
        outcome="with a signal",
        came_out=number(connection, f"select count(*) from ({with_signals}) where is_applicable"),
        rest=reasons(
            connection,
            f"""
            select 'not applicable: ' || reason, count(*)
            from ({with_signals}) where not is_applicable group by reason
            union all
            select 'nothing to notice', count(*)
            from kairos.sessions
            where session_id not in (select session_id from kairos.signals)
            """,
        ),
        gave=listed(
            connection,
            "select signal_name || case when is_escalated then ' (escalated)' else '' end, count(*)"
            " from kairos.signals where is_applicable group by all",
        ),
    )


def _scores(connection: DuckDBPyConnection) -> Word:
    return Word(
        name="scores",
        unit="sessions",
        went_in=number(connection, "select count(*) from kairos.sessions"),
        outcome="with a score",
        came_out=number(connection, "select count(distinct session_id) from kairos.intent_scores"),
        rest=reasons(
            connection,
            """
            select 'no component applies', count(*) from kairos.sessions
            where session_id not in (select session_id from kairos.intent_scores)
            """,
        ),
        gave=listed(
            connection,
            """
            select band, count(*) from (
                select session_id, arg_max(band, scored_at) as band
                from kairos.intent_scores group by session_id
            ) group by band
            """,
        ),
    )


def _triggers(connection: DuckDBPyConnection) -> Word:
    return Word(
        name="triggers",
        unit="moments",
        went_in=number(connection, "select count(*) from kairos.trigger_candidates"),
        outcome="to be sent",
        came_out=number(
            connection, "select count(*) from kairos.current_decisions where outcome = 'send'"
        ),
        rest=reasons(
            connection,
            """
            select outcome || ': ' || reason, count(*)
            from kairos.current_decisions where outcome != 'send' group by outcome, reason
            """,
        ),
        gave=listed(
            connection,
            "select trigger_name, count(*) from kairos.current_decisions"
            " where outcome = 'send' group by all",
        ),
    )


LATEST = """
    select operation_id, destination, kind, object_key, user_key, idempotency_key, operation, state
    from (
        select *, row_number() over (partition by operation_id order by sequence desc) as recency
        from raw.sync_operations
    ) where recency = 1
"""
"""The ledger's latest word on each operation, from its replica."""

ACKNOWLEDGED = "('accepted', 'delivered', 'shown')"


def _deliveries(connection: DuckDBPyConnection) -> Word:
    return Word(
        name="deliveries",
        unit="operations",
        went_in=number(
            connection,
            "select count(*) from (select operation_id from kairos.sync_plan"
            " union select operation_id from raw.sync_operations)",
        ),
        outcome="acknowledged",
        came_out=number(
            connection, f"select count(*) from ({LATEST}) where state in {ACKNOWLEDGED}"
        ),
        rest=reasons(
            connection,
            f"""
            select state, count(*) from ({LATEST})
            where state not in {ACKNOWLEDGED} group by state
            union all
            select 'not yet attempted', count(*) from kairos.sync_plan
            where operation_id not in (select operation_id from raw.sync_operations)
            """,
        ),
        gave=listed(
            connection,
            f"select destination || ' ' || kind, count(*) from ({LATEST})"
            f" where state in {ACKNOWLEDGED} group by all",
        ),
    )


def _outcomes(connection: DuckDBPyConnection) -> Word:
    health = "select coalesce(sum({}), 0) from kairos.trigger_health_daily"
    rest = {
        "control": "ghost_count",
        "suppressed": "suppressed_count",
        "deferred": "deferred_count",
        "rejected": "rejected_count",
        "in doubt": "in_doubt_count",
        "expired": "expired_count",
        "stopped by a cap": "stopped_count",
        "waiting": "waiting_count",
    }
    counted = [(reason, number(connection, health.format(name))) for reason, name in rest.items()]
    return Word(
        name="outcomes",
        unit="decisions",
        went_in=number(
            connection, "select count(distinct decision_id) from kairos.trigger_decisions"
        ),
        outcome="reached a person",
        came_out=number(connection, health.format("accepted_count")),
        rest=tuple((reason, count) for reason, count in counted if count),
        gave=listed(
            connection,
            "select 'days of trigger health', count(*) from kairos.trigger_health_daily",
        ),
    )


def number(connection: DuckDBPyConnection, query: str) -> int:
    """Ask for one whole number."""
    [(value,)] = connection.execute(query).fetchall()
    return int(value)


def reasons(connection: DuckDBPyConnection, query: str) -> tuple[tuple[str, int], ...]:
    """Ask for reasons with their counts; the most frequent first, none that never occurred."""
    rows = connection.execute(query).fetchall()
    counted = [(str(reason), int(count)) for reason, count in rows if count]
    return tuple(sorted(counted, key=lambda item: (-item[1], item[0])))


def listed(connection: DuckDBPyConnection, query: str) -> str:
    """Write names with their counts as one text: `12 shallow_scroll, 3 session_pause`."""
    return words(reasons(connection, query))


def words(counted: Sequence[tuple[str, int]]) -> str:
    """Write reasons with their counts as one text."""
    return ", ".join(f"{count:,} {reason}" for reason, count in counted)
