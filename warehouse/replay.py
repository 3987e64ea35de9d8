"""Deciding history again, beside the warehouse and never in it.

There are two ways. Without a schedule, every recorded instant is decided again from what was loaded
by then: the same settings give the same decisions, row for row. With a schedule, the moments of the
stretch are taken as if each had been known when it happened, which needs no more than one look at
history and so can go over months; law 2 says that only late data makes a difference.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from warehouse.clock import naive_utc, warehouse_text
from warehouse.compiled import (
    DECISIONS,
    SCHEMA,
    SOME_INSTANT,
    CompiledProject,
    Model,
    compile_project,
    create_histories,
    load_seed,
    run_models,
)
from warehouse.connection import sql_text
from warehouse.errors import KairosError
from warehouse.home import Home
from warehouse.trial import check_trials

OnStep = Callable[[int, int, str], None]
"""Called as (steps done, steps in all, the instant of the step)."""

TICK = timedelta(microseconds=1)
"""The least by which two instants differ."""

KNOWN_DELIVERIES = f"""
    decision_id is null
    or decision_id not in (
        select decision_id from live.{SCHEMA}.{DECISIONS}
        where outcome = 'send' and decided_at >= timestamp '{{start}}'
    )
    or decision_id in (select decision_id from {SCHEMA}.{DECISIONS})
"""
"""Which deliveries the replay knows of: not those of messages that it has not decided to send.

A message that other settings, or a later step, would not have sent must take no place under a cap.
"""

KNOWN_PEOPLE = "known_people"
MOMENTS = "trigger_moments"
READ_BY_DECIDING = (
    *(MOMENTS, KNOWN_PEOPLE, "users", "events", "intent_scores", "session_bot_evidence"),
)
"""What deciding reads of the words before it."""


@dataclass(frozen=True)
class Decisions:
    """What a stretch of history came to, in one version of it."""

    by_reason: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """How many decisions of each trigger, outcome and reason."""
    sends_by_hour: Mapping[datetime, int] = field(default_factory=dict)
    people_by_sends: Counter[int] = field(default_factory=Counter)
    """How many people got one message, two, and so on."""

    @property
    def busiest_hours(self) -> list[tuple[datetime, int]]:
        """The three hours in which most is sent, and how many."""
        return sorted(self.sends_by_hour.items(), key=lambda item: (-item[1], item[0]))[:3]

    @property
    def sends(self) -> int:
        """How many messages in all."""
        return sum(self.sends_by_hour.values())


@dataclass(frozen=True)
class Replay:
    """A stretch of history as it was, and as it is under the settings of the replay."""

    steps: int
    before: Decisions
    after: Decisions
    is_recorded: bool
    """Whether `before` is what was recorded, and not a replay with the seeds as they are."""
    differing_decisions: int
    people_affected: int
    people_gained: int
    """People who get a message only after."""
    people_lost: int
    """People who got one only before."""


def replay(
    home: Home,
    start: datetime,
    end: datetime,
    trials: Mapping[str, Path],
    every: timedelta | None = None,
    on_step: OnStep | None = None,
) -> Replay:
    """Decide the stretch from `start` up to, not including, `end` again, and compare.

    `trials` replaces seeds by files of the same columns. `every` is the schedule; without it the
    recorded instants are decided again. Raises `KairosError` for a file that is no seed's, and for
    a stretch in which nothing was decided.
    """
    if end <= start:
        raise KairosError("--to must lie after --from")
    if not home.warehouse.exists():
        raise KairosError("nothing was ever decided: run `kairos build` first")
    with TemporaryDirectory(prefix="replay-", dir=home.ensure().root) as folder:
        scratch = Path(folder)
        project = compile_project(Home(scratch, scratch / "compiled.duckdb", "", scratch))
        check_trials(project, trials)
        with _workbench(home, scratch) as connection:
            if every is None:
                return _recorded_instants(connection, project, trials, start, end, on_step)
            return _scheduled(connection, project, trials, start, end, every, on_step)


@contextmanager
def _workbench(home: Home, scratch: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect()
    try:
        connection.execute("set TimeZone = 'UTC'; set enable_progress_bar = false")
        connection.execute("set preserve_insertion_order = false")
        connection.execute(f"set temp_directory = {sql_text(str(scratch / 'tmp'))}")
        connection.execute(f"attach {sql_text(str(home.warehouse))} as live (read_only)")
        [(count,)] = connection.execute(
            "select count(*) from duckdb_tables() where database_name = 'live' "
            f"and schema_name = '{SCHEMA}' and table_name = '{DECISIONS}'"
        ).fetchall()
        if not count:
            raise KairosError("nothing was ever decided: run `kairos build` first")
        yield connection
    except duckdb.CatalogException as error:
        first_line = str(error).splitlines()[0]
        raise KairosError(
            f"{first_line} A replay sees the tables of the warehouse file alone: copy what your "
            "models read elsewhere into it"
        ) from error
    finally:
        connection.close()


def _recorded_instants(
    connection: duckdb.DuckDBPyConnection,
    project: CompiledProject,
    trials: Mapping[str, Path],
    start: datetime,
    end: datetime,
    on_step: OnStep | None,
) -> Replay:
    stretch = f"decided_at >= {_literal(start)} and decided_at < {_literal(end)}"
    steps = [
        row[0].replace(tzinfo=UTC)
        for row in connection.execute(
            f"select distinct decided_at from live.{SCHEMA}.{DECISIONS} "
            f"where {stretch} order by decided_at"
        ).fetchall()
    ]
    if not steps:
        raise KairosError(
            "nothing was decided in that stretch: choose another --from and --to, or a schedule "
            "with --every"
        )
    _see_raw_tables(connection)
    models = _load_seeds(connection, project, project.between([], [DECISIONS]), trials)
    create_histories(connection, models)
    connection.execute(
        "create view raw.sync_operations as select * from live.raw.sync_operations "
        f"where {KNOWN_DELIVERIES.format(start=warehouse_text(start))}"
    )
    _remember_decisions(connection, start)
    for number, instant in enumerate(steps):
        run_models(connection, models, instant)
        if on_step:
            on_step(number + 1, len(steps), instant.isoformat(sep=" "))
    own = f"select * from {SCHEMA}.{DECISIONS} where {stretch}"
    connection.execute(f"create table after as {own}")
    connection.execute(f"create table before as {own.replace(SCHEMA, f'live.{SCHEMA}', 1)}")
    key = "decided_at, outcome, reason, blocked_by, deferred_until"
    return _compare(connection, len(steps), key, is_recorded=True)


def _scheduled(
    connection: duckdb.DuckDBPyConnection,
    project: CompiledProject,
    trials: Mapping[str, Path],
    start: datetime,
    end: datetime,
    every: timedelta,
    on_step: OnStep | None,
) -> Replay:
    steps = _schedule(start, end, every)
    versions = [("before", {}), ("after", trials)] if trials else [("after", trials)]
    total = len(steps) * len(versions)
    for turn, (version, files) in enumerate(versions):
        models = _gather(connection, project, files, start, end)
        previous = start - TICK
        for number, instant in enumerate(steps):
            connection.execute("begin")
            if _bring_candidates(connection, previous, instant):
                run_models(connection, models, instant)
                _put_decisions_by(connection, instant)
            connection.execute("commit")
            previous = instant
            if on_step:
                on_step(turn * len(steps) + number + 1, total, instant.isoformat(sep=" "))
        connection.execute(
            f"create table {version} as select * from decided where decided_at > {_literal(start)}"
        )
    if not trials:
        connection.execute(
            f"create table before as select * from live.{SCHEMA}.{DECISIONS} "
            f"where moment_at < {_literal(end)} and (moment_at >= {_literal(start)} or decision_id "
            f"in (select decision_id from decided where decided_at <= {_literal(start)})) "
            f"and decided_at > {_literal(start)} and decided_at <= {_literal(steps[-1])}"
        )
    for version in ("before", "after"):
        # how often a message was put off matters to nobody here, what became of it does
        connection.execute(f"""
            delete from {version} where (decision_id, decided_at) not in (
                select decision_id, max(decided_at) from {version} group by decision_id
            )
        """)
    return _compare(connection, len(steps), "outcome, reason, blocked_by", not trials)


def _schedule(start: datetime, end: datetime, every: timedelta) -> list[datetime]:
    if every <= timedelta(0):
        raise KairosError("--every must be longer than nothing")
    count = -((start - end) // every)
    return [min(start + number * every, end) for number in range(1, count + 1)]


def _gather(
    connection: duckdb.DuckDBPyConnection,
    project: CompiledProject,
    trials: Mapping[str, Path],
    start: datetime,
    end: datetime,
) -> Sequence[Model]:
    """Collect what deciding reads, for the stretch alone; return what each step has to build."""
    for schema in ("raw", SCHEMA):
        connection.execute(f"drop schema if exists {schema} cascade")
    _see_raw_tables(connection)
    changed = _reading_from(project, trials)
    before_deciding = project.between([], READ_BY_DECIDING)
    models = _load_seeds(connection, project, project.between([], [DECISIONS]), trials)
    deciding = [model for model in models if model not in before_deciding]
    create_histories(connection, deciding)
    _put_history_by(connection, start)
    for model in before_deciding:
        if model.kind == "model":
            if model.name in changed:
                connection.execute(model.statement(end))
            else:
                connection.execute(
                    f"create view {SCHEMA}.{model.name} as select * from live.{SCHEMA}.{model.name}"
                )
    _keep_the_stretch(connection, start, end)
    return _made_at_each_step(connection, project, deciding)


def _put_history_by(connection: duckdb.DuckDBPyConnection, start: datetime) -> None:
    """Keep what was decided and sent until the stretch, of which a step sees a part.

    A run at its very start is the last before it: the first step comes one interval later.
    """
    _remember_decisions(connection, start + TICK)
    connection.execute(f"""
        create or replace table decided as select * from {SCHEMA}.{DECISIONS};

        create or replace table waiting as
        select * from decided
        where outcome = 'deferred'
        qualify max(decided_at) over (partition by decision_id) = decided_at;
        delete from waiting
        where decision_id in (select decision_id from decided where outcome != 'deferred');

        create or replace table operations as
        select
            *,
            decision_id is null or decision_id not in (select decision_id from decided)
                as is_of_no_decision
        from live.raw.sync_operations
        where loaded_at <= {_literal(start)};

        create view raw.sync_operations as
        select * exclude (is_of_no_decision) from operations
        where
            is_of_no_decision
            or decision_id in (select decision_id from {SCHEMA}.{DECISIONS})
    """)


def _made_at_each_step(
    connection: duckdb.DuckDBPyConnection, project: CompiledProject, deciding: Sequence[Model]
) -> list[Model]:
    """Make at once what is the same at every step; return the rest.

    Settings that come of seeds alone become tables, and a view that does not say "now" stays.
    """
    settled = {name for name, model in project.models.items() if model.kind == "seed"}
    rest = []
    for model in deciding:
        if not model.says_now and model.depends_on and model.depends_on <= settled:
            settled.add(model.name)
            run_models(connection, [replace(model, materialized="table")], SOME_INSTANT)
        else:
            rest.append(model)
    # there is no moment and no decision yet: this decides nothing, and makes the views
    connection.execute(f"truncate {SCHEMA}.{DECISIONS}")
    run_models(connection, rest, SOME_INSTANT)
    return [model for model in rest if model.says_now or model.materialized != "view"]


def _keep_the_stretch(
    connection: duckdb.DuckDBPyConnection, start: datetime, end: datetime
) -> None:
    """Put small tables in the place of what deciding reads: those of the moments to decide."""
    connection.execute(f"""
        create or replace table moments as
        select * from {SCHEMA}.{MOMENTS}
        where moment_at >= {_literal(start)} and moment_at < {_literal(end)}
        union all
        select moments.*
        from {SCHEMA}.{MOMENTS} as moments
        inner join waiting
            on
                moments.trigger_name = waiting.trigger_name
                and moments.user_key = waiting.user_key
                and moments.moment_at = waiting.moment_at
        where moments.moment_at < {_literal(start)}
        order by moment_at
    """)
    of_people = "user_key in (select user_key from moments)"
    of_sessions = "session_id in (select session_id from moments)"
    exits = (
        f"select unnest(string_split(exit_events, '|')) from {SCHEMA}.triggers "
        "where exit_events is not null"
    )
    for name, condition in {
        KNOWN_PEOPLE: of_people,
        "users": of_people,
        "events": f"{of_people} and event_name in ({exits})",
        "intent_scores": of_sessions,
        "session_bot_evidence": of_sessions,
        MOMENTS: "false",
    }.items():
        connection.execute(f"create table kept as select * from {SCHEMA}.{name} where {condition}")
        [(kind,)] = connection.execute(
            "select table_type from information_schema.tables where table_catalog = 'memory' "
            f"and table_schema = '{SCHEMA}' and table_name = '{name}'"
        ).fetchall()
        connection.execute(f"drop {'view' if kind == 'VIEW' else 'table'} {SCHEMA}.{name}")
        connection.execute(f"create table {SCHEMA}.{name} as select * from kept; drop table kept")


def _bring_candidates(
    connection: duckdb.DuckDBPyConnection, previous: datetime, instant: datetime
) -> bool:
    """Let deciding see the moments since the last step, those that wake, and what came before.

    Of earlier decisions it sees those that a limit or an experiment could count together with
    these: of the same people, accounts and sessions. Return whether there is anything to decide.
    """
    connection.execute(f"""
        create or replace table {SCHEMA}.{MOMENTS} as
        select * from moments
        where moment_at > {_literal(previous)} and moment_at <= {_literal(instant)}
        union
        select moments.*
        from moments
        inner join waiting
            on
                moments.trigger_name = waiting.trigger_name
                and moments.user_key = waiting.user_key
                and moments.moment_at = waiting.moment_at
        where waiting.deferred_until <= {_literal(instant)};

        create or replace table concerned as
        select user_key, session_id from {SCHEMA}.{MOMENTS}
        union
        select user_key, session_id from waiting where deferred_until <= {_literal(instant)}
    """)
    [(count,)] = connection.execute("select count(*) from concerned").fetchall()
    if count:
        connection.execute(f"""
            truncate {SCHEMA}.{DECISIONS};
            insert into {SCHEMA}.{DECISIONS} by name
            select * from decided
            where
                user_key in (select user_key from concerned)
                or session_id in (select session_id from concerned)
                or account_id in (
                    select users.account_id from {SCHEMA}.users
                    inner join {SCHEMA}.fatigue_caps on fatigue_caps.scope = 'account'
                    where users.user_key in (select user_key from concerned)
                )
        """)
    return count > 0


def _put_decisions_by(connection: duckdb.DuckDBPyConnection, instant: datetime) -> None:
    # gates explain; here they would only be kept for nobody
    connection.execute(f"""
        truncate {SCHEMA}.decision_gates;
        insert into decided by name
        select * from {SCHEMA}.{DECISIONS} where decided_at = {_literal(instant)};
        delete from waiting where deferred_until <= {_literal(instant)};
        insert into waiting by name
        select * from {SCHEMA}.{DECISIONS}
        where decided_at = {_literal(instant)} and outcome = 'deferred'
    """)


def _reading_from(project: CompiledProject, seeds: Mapping[str, Path]) -> set[str]:
    """Name everything that depends on these seeds."""
    changed = set(seeds)
    for model in project.models.values():
        if model.depends_on & changed:
            changed.add(model.name)
    return changed


def _see_raw_tables(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(f"create schema raw; create schema {SCHEMA}")
    for (table,) in connection.execute(
        "select table_name from duckdb_tables() "
        "where database_name = 'live' and schema_name = 'raw'"
    ).fetchall():
        if table != "sync_operations":
            connection.execute(f"create view raw.{table} as select * from live.raw.{table}")


def _load_seeds(
    connection: duckdb.DuckDBPyConnection,
    project: CompiledProject,
    needed: Sequence[Model],
    trials: Mapping[str, Path],
) -> list[Model]:
    for model in project.models.values():
        if model.kind == "seed":
            load_seed(connection, model, trials.get(model.name, model.seed_path))
    return [model for model in needed if model.kind == "model"]


def _remember_decisions(connection: duckdb.DuckDBPyConnection, start: datetime) -> None:
    connection.execute(
        f"insert into {SCHEMA}.{DECISIONS} by name select * from live.{SCHEMA}.{DECISIONS} "
        f"where decided_at < {_literal(start)}"
    )


def _compare(
    connection: duckdb.DuckDBPyConnection, steps: int, compared: str, is_recorded: bool
) -> Replay:
    connection.execute(f"""
        create temp table differing as
        select distinct decision_id, user_key from (
            (select decision_id, user_key, {compared} from before
             except select decision_id, user_key, {compared} from after)
            union all
            (select decision_id, user_key, {compared} from after
             except select decision_id, user_key, {compared} from before)
        )
    """)
    [(decisions, people)] = connection.execute(
        "select count(distinct decision_id), count(distinct user_key) from differing"
    ).fetchall()

    def reached_only_by(version: str, other: str) -> int:
        [(count,)] = connection.execute(f"""
            select count(distinct user_key) from {version}
            where outcome = 'send' and user_key not in (
                select user_key from {other} where outcome = 'send'
            )
        """).fetchall()
        return count

    return Replay(
        steps,
        _summed(connection, "before"),
        _summed(connection, "after"),
        is_recorded,
        decisions,
        people,
        reached_only_by("after", "before"),
        reached_only_by("before", "after"),
    )


def _summed(connection: duckdb.DuckDBPyConnection, version: str) -> Decisions:
    execute = connection.execute
    return Decisions(
        Counter(
            {
                (name, outcome, reason): count
                for name, outcome, reason, count in execute(
                    f"select trigger_name, outcome, reason, count(*) from {version} group by all"
                ).fetchall()
            }
        ),
        dict(
            execute(
                f"select date_trunc('hour', decided_at) as hour, count(*) from {version} "
                "where outcome = 'send' group by hour order by hour"
            ).fetchall()
        ),
        Counter(
            dict(
                execute(
                    "select sends, count(*) from (select count(*) as sends from "
                    f"{version} where outcome = 'send' group by user_key) group by sends"
                ).fetchall()
            )
        ),
    )


def _literal(instant: datetime) -> str:
    return f"timestamp '{naive_utc(instant)}'"
