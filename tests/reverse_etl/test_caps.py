"""Caps against a slow and obvious oracle, and under many hands at once."""

import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from reverse_etl.ledger.caps import Cap, Guard, Reserved, read_caps
from reverse_etl.ledger.store import Ledger, ToReserve
from reverse_etl.model import Result, Scope, State
from tests.reverse_etl.conftest import NOW, later, moment
from warehouse.errors import KairosError

US = timedelta(microseconds=1)
HOUR = timedelta(hours=1)
ZONES = ["UTC", "America/New_York", "Europe/Berlin", "Asia/Kathmandu", "Pacific/Apia", None]
DST_AND_MIDNIGHTS = [
    datetime(2026, 3, 8, 5, 0, tzinfo=UTC),  # New York: the day that has 23 hours begins
    datetime(2026, 3, 9, 4, 0, tzinfo=UTC),
    datetime(2026, 10, 24, 22, 0, tzinfo=UTC),  # Berlin: the day that has 25 hours begins
    datetime(2026, 10, 25, 23, 0, tzinfo=UTC),
    datetime(2026, 3, 2, 0, 0, tzinfo=UTC),  # a Monday
]


def is_over(cap: Cap, user: str, scope: Scope, at: datetime, history: list[Reserved]) -> bool:
    """Whether one more message at `at` exceeds the cap; looks at every window by hand."""
    if cap.maximum is None:
        return False
    fields = {"channel": scope.channel, "tier": scope.tier, "trigger": scope.trigger_name,
              "session": scope.session_id, "account": scope.account_id, "all": "*"}  # fmt: skip
    values = list(scope.tags) if cap.scope == "tag" else [fields[cap.scope]]
    for value in values:
        if value is None or (cap.scope != "all" and cap.scope_value not in ("*", value)):
            continue
        same = []
        for r in history:
            theirs = {"channel": [r.scope.channel], "tier": [r.scope.tier], "all": ["*"],
                      "trigger": [r.scope.trigger_name], "session": [r.scope.session_id],
                      "account": [r.scope.account_id], "tag": list(r.scope.tags)}  # fmt: skip
            if value in theirs[cap.scope] and (cap.scope == "account" or r.user_key == user):
                same.append(r)
        if cap.window_kind == "session":
            if scope.session_id is None:
                continue
            same = [r for r in same if r.scope.session_id == scope.session_id]
            windows = [same]
        elif cap.window_kind == "lifetime":
            windows = [same]
        elif cap.window_kind == "rolling":
            edges = {at, *(r.reserved_at for r in same)}
            starts = edges | {edge - cap.window + US for edge in edges}
            windows = [
                [r for r in same if start <= r.reserved_at < start + cap.window]
                for start in starts
                if start <= at < start + cap.window
            ]
        else:
            # an account has no clock of its own
            is_by_user = cap.time_zone == "user" and cap.scope != "account"
            zone = ZoneInfo(scope.time_zone if is_by_user and scope.time_zone else "Europe/Berlin")
            day = at.astimezone(zone).date()
            if cap.window_kind == "calendar_week":
                day -= timedelta(days=day.weekday())
            days = 7 if cap.window_kind == "calendar_week" else 1
            begin = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
            day += timedelta(days=days)
            end = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
            windows = [[r for r in same if begin <= r.reserved_at < end]]
        if any(len(window) + 1 > cap.maximum for window in windows):
            return True
    return False


caps = st.builds(
    Cap,
    cap_name=st.sampled_from(["a", "b", "c"]),
    scope=st.sampled_from(["all", "channel", "tag", "tier", "trigger", "session", "account"]),
    scope_value=st.sampled_from(["*", "x", "y"]),
    window_kind=st.sampled_from(
        ["rolling", "calendar_day", "calendar_week", "session", "lifetime"]
    ),
    window_seconds=st.sampled_from([1, 3600, 86_400]),
    time_zone=st.sampled_from(["user", "project"]),
    maximum=st.sampled_from([None, 0, 1, 2, 3]),
)
words = st.sampled_from([None, "x", "y"])
scopes = st.builds(
    Scope,
    trigger_name=words,
    channel=words,
    tier=words,
    session_id=words,
    account_id=words,
    tags=st.sampled_from([(), ("x",), ("x", "y")]),
    time_zone=st.sampled_from(ZONES),
    bypass_caps=st.sampled_from([False, False, False, True]),
    counts_toward_caps=st.sampled_from([True, True, True, False]),
)
instants = st.builds(
    lambda base, hours, micros: base + hours * HOUR + micros * US,
    st.sampled_from(DST_AND_MIDNIGHTS),
    st.sampled_from([-24, -1, 0, 1, 23, 24, 25]),
    st.sampled_from([-1, 0, 1]),
)
candidates = st.tuples(st.sampled_from(["ann", "bob"]), scopes, instants)


def decide(guard_caps: list[Cap], wanted: list[tuple[str, Scope, datetime]]) -> list[bool]:
    """What the oracle lets through, one after the other."""
    history: list[Reserved] = []
    answers = []
    for user, scope, at in wanted:
        ok = scope.bypass_caps or not any(is_over(c, user, scope, at, history) for c in guard_caps)
        answers.append(ok)
        if ok and scope.counts_toward_caps:
            history.append(Reserved(user, at, scope))
    return answers


@pytest.mark.property
@settings(max_examples=200, deadline=None)
@given(st.lists(caps, max_size=3), st.lists(candidates, max_size=12))
def test_the_guard_agrees_with_the_oracle(guard_caps, wanted) -> None:
    guard = Guard(guard_caps, "Europe/Berlin")
    history: list[Reserved] = []
    answers = []
    for user, scope, at in wanted:
        cap = guard.blocked_by(user, scope, at, history)
        answers.append(cap is None)
        if cap is None and scope.counts_toward_caps:
            history.append(Reserved(user, at, scope))

    assert answers == decide(guard_caps, wanted)


@pytest.mark.property
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(caps, min_size=1, max_size=3),
    st.lists(candidates, min_size=1, max_size=12),
    st.lists(st.integers(0, 11), max_size=3),
)
@example([Cap("two", "all", maximum=2, window_seconds=3600)],
         [("ann", Scope(), NOW)] * 4, [0])  # fmt: skip
def test_the_ledger_agrees_with_the_oracle(tmp_path_factory, guard_caps, wanted, again) -> None:
    folder = tmp_path_factory.mktemp("caps")
    guard = Guard(guard_caps, "Europe/Berlin")
    with Ledger.open(f"sqlite:///{folder / 'ledger.db'}") as ledger:
        answers = []
        for number, (user, scope, at) in enumerate(wanted):
            decision = ToReserve(str(number), user, scope)
            answers.append(not ledger.reserve([decision], guard, at))
            for other in again:
                # a decision that is reserved already is the same reservation
                if other <= number and answers[other]:
                    user, scope, at = wanted[other]
                    assert not ledger.reserve([ToReserve(str(other), user, scope)], guard, at)

    assert answers == decide(guard_caps, wanted)


def test_a_rolling_window_ends_one_microsecond_before_it_is_full() -> None:
    guard = Guard([Cap("one", "all", window_seconds=86_400, maximum=1)])
    history = [Reserved("ann", NOW, Scope())]

    assert guard.blocked_by("ann", Scope(), later(days=1) - US, history) == "one"
    assert guard.blocked_by("ann", Scope(), later(days=1), history) is None


def test_two_messages_exactly_one_window_apart_share_none() -> None:
    guard = Guard([Cap("two", "all", window_seconds=3600, maximum=2)])
    history = [
        Reserved("ann", later(minutes=-30), Scope()),
        Reserved("ann", later(minutes=30), Scope()),
    ]

    assert guard.blocked_by("ann", Scope(), NOW, history) is None
    near = [history[0], Reserved("ann", later(minutes=30) - US, Scope())]
    assert guard.blocked_by("ann", Scope(), NOW, near) == "two"


def test_a_message_before_one_already_reserved_counts_in_the_same_window() -> None:
    guard = Guard([Cap("one", "all", window_seconds=3600, maximum=1)])
    history = [Reserved("ann", later(minutes=59), Scope())]

    assert guard.blocked_by("ann", Scope(), NOW, history) == "one"


def test_a_calendar_day_lets_two_through_an_hour_apart_around_midnight() -> None:
    scope = Scope(time_zone="America/New_York")
    late, early = datetime(2026, 3, 8, 3, 30, tzinfo=UTC), datetime(2026, 3, 8, 5, 0, tzinfo=UTC)
    history = [Reserved("ann", late, scope)]

    day = Guard([Cap("day", "all", window_kind="calendar_day", maximum=1)])
    rolling = Guard([Cap("rolling", "all", window_seconds=86_400, maximum=1)])

    assert day.blocked_by("ann", scope, early, history) is None
    assert rolling.blocked_by("ann", scope, early, history) == "rolling"


def test_b21_a_maximum_of_nothing_is_off_and_of_zero_blocks_all() -> None:
    row = {"cap_name": "c", "scope": "all", "window_kind": "lifetime"}
    off, shut = read_caps([{**row, "maximum": None}, {**row, "maximum": 0}])
    assert Guard([off]).blocked_by("ann", Scope(), NOW, []) is None
    assert Guard([shut]).blocked_by("ann", Scope(), NOW, []) == "c"


def test_a_cap_of_an_arm_is_for_the_people_in_it() -> None:
    # the hash puts a at 0.0505 and b at 0.2696
    cap = Cap("arm", "all", maximum=0, window_seconds=60, hash_seed="seed",
              bucket_from=0.0505, bucket_to=0.2696)  # fmt: skip
    assert Guard([cap]).blocked_by("a", Scope(), NOW, []) == "arm"
    assert Guard([cap]).blocked_by("b", Scope(), NOW, []) is None


def test_an_accounts_day_begins_at_the_projects_midnight() -> None:
    scope = Scope(account_id="acme", time_zone="Asia/Seoul")
    before, after = NOW.replace(hour=14, minute=30), NOW.replace(hour=15, minute=30)
    guard = Guard([Cap("day", "account", window_kind="calendar_day", maximum=1)])
    assert guard.blocked_by("bob", scope, after, [Reserved("ann", before, scope)]) == "day"


def test_a_row_that_could_only_be_guessed_at_is_refused() -> None:
    with pytest.raises(KairosError, match="cap c: a rolling window needs window_seconds"):
        Cap("c", "all", window_kind="rolling", maximum=1)


def test_an_unknown_time_zone_falls_back_to_the_projects() -> None:
    scope = Scope(time_zone="Mars/Olympus")
    guard = Guard([Cap("day", "all", window_kind="calendar_day", maximum=1)], "Asia/Tokyo")
    history = [Reserved("ann", datetime(2026, 3, 4, 14, 59, tzinfo=UTC), scope)]

    assert guard.blocked_by("ann", scope, datetime(2026, 3, 4, 15, 0, tzinfo=UTC), history) is None


def test_a_refusal_gives_its_place_back(ledger: Ledger) -> None:
    guard = Guard([Cap("one", "all", window_kind="lifetime", maximum=1)])
    first, second = ToReserve("1", "ann", Scope()), ToReserve("2", "ann", Scope())

    assert ledger.reserve([first, second], guard, NOW) == {"2": "one"}
    ledger.release(["1"], NOW)
    assert ledger.reserve([second], guard, NOW) == {}
    assert ledger.reserve([first], guard, NOW) == {"1": "one"}


@pytest.mark.parametrize(("end", "gives_back"), [("suppressed", True), ("accepted", False)])
def test_who_was_forgotten_by_the_platform_takes_no_place(ledger: Ledger, end, gives_back) -> None:
    guard = Guard([Cap("one", "account", "acme", "lifetime", maximum=1)])
    forgotten = moment(1, user_key="ann", scope={"account_id": "acme"})
    with ledger.owner("run"):
        options = {"at": NOW, "guard": guard, "resends": lambda *_: True}
        ledger.claim([forgotten], owner_id="run", run_id="run", **options)
        ledger.begin([forgotten.idempotency_key], "run", NOW)
        ledger.finish([(forgotten, Result(State(end)))], "run", NOW)

    colleague = ToReserve("2", "ben", Scope(account_id="acme"))
    assert ledger.reserve([colleague], guard, NOW) == ({} if gives_back else {"2": "one"})


def test_b22_fifty_threads_for_one_person_reserve_exactly_the_cap(ledger: Ledger) -> None:
    guard = Guard([Cap("two", "all", window_seconds=3600, maximum=2)])

    def reserve(number: int) -> bool:
        return not ledger.reserve([ToReserve(str(number), "ann", Scope())], guard, NOW)

    with ThreadPoolExecutor(50) as pool:
        assert sum(pool.map(reserve, range(50))) == 2


def test_an_account_cap_holds_for_different_people_at_once(ledger: Ledger) -> None:
    guard = Guard([Cap("five", "account", window_seconds=3600, maximum=5)])

    def reserve(number: int) -> bool:
        scope = Scope(account_id="acme")
        return not ledger.reserve([ToReserve(str(number), f"user-{number}", scope)], guard, NOW)

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(reserve, range(40))) == 5


def test_two_processes_with_many_threads_never_exceed_a_cap(ledger: Ledger, ledger_url) -> None:
    script = textwrap.dedent(
        """
        import sys
        from concurrent.futures import ThreadPoolExecutor
        from reverse_etl.ledger.caps import Cap, Guard
        from reverse_etl.ledger.store import Ledger, ToReserve
        from reverse_etl.model import Scope
        from tests.reverse_etl.conftest import NOW

        url, name = sys.argv[1:]
        guard = Guard([Cap("two", "all", window_seconds=3600, maximum=2)])
        print("ready", flush=True)
        sys.stdin.readline()
        with Ledger.open(url) as ledger, ThreadPoolExecutor(25) as pool:
            def reserve(number):
                batch = [
                    ToReserve(f"{name}-{number}-{user}", f"user-{user}", Scope())
                    for user in ((number + step) % 7 for step in range(7))
                ]
                return 7 - len(ledger.reserve(batch, guard, NOW))
            print(sum(pool.map(reserve, range(25))))
        """
    )
    root = Path(__file__).parents[2]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", script, ledger_url, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=root,
        )
        for name in ("left", "right")
    ]
    for process in running:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    counts = [int(process.communicate(timeout=120)[0]) for process in running]

    assert sum(counts) == 14
