"""Laws 3, 5 and 6 on random histories: the SQL decides exactly as the slow oracle does."""

import os
from datetime import datetime, timedelta
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.triggers.oracle import Limit, Moment, Oracle, Person
from tests.triggers.twins import Twins
from tests.triggers.world import World, at

START = at("2026-10-23 00:00")  # a weekend on which clocks go back in Europe
EXAMPLES = int(os.environ.get("KAIROS_EXAMPLES", "5"))
DENSE_EXAMPLES = int(os.environ.get("KAIROS_EXAMPLES", "8"))
SEED = "seed"
SHARE = 0.4

minutes = st.integers(0, 4 * 24 * 4).map(lambda quarter: timedelta(minutes=15 * quarter))

people = st.builds(
    Person,
    user_key=st.sampled_from(["p0", "p1", "p2", "p3"]),
    account_id=st.sampled_from([None, "acme"]),
    time_zone=st.sampled_from([None, "Europe/Berlin", "Asia/Seoul", "America/St_Johns"]),
)

trigger_settings = st.fixed_dictionaries(
    {
        "tier": st.sampled_from(["urgent", "high", "low"]),
        "priority": st.integers(0, 3),
        "channel": st.sampled_from(["in_app", "email"]),
        "tags": st.sampled_from([None, "x", "y", "x|y"]),
        "delay_seconds": st.sampled_from([0, 0, 3600]),
        "expiry_seconds": st.sampled_from([None, 3600, 36 * 3600]),
        "cooldown_seconds": st.sampled_from([0, 0, 7200]),
        "re_eligible_after_seconds": st.sampled_from([0, 0, 86400, None]),
        "on_capped": st.sampled_from(["drop", "defer"]),
        "bypass_caps": st.sampled_from([False, False, False, True]),
        "counts_toward_caps": st.sampled_from([True, True, True, False]),
        "experiment": st.sampled_from([None, None, "control"]),
    }
)


SCOPES = ("all", "all", "channel", "tag", "tier", "trigger", "session", "account")
WINDOWS = ("rolling", "rolling", "calendar_day", "calendar_week", "session", "lifetime")


@st.composite
def caps(draw, number, scopes=SCOPES, windows=WINDOWS, maxima=(1, 1, 2, 3, 0), arms=(None,)):
    scope = draw(st.sampled_from(scopes))
    values = {
        "channel": ["*", "in_app", "email"],
        "tag": ["*", "x", "y"],
        "tier": ["*", "low"],
        "trigger": ["*", "t0"],
    }
    kind = draw(st.sampled_from(windows))
    return Limit(
        name=f"cap_{number}",
        scope=scope,
        scope_value=draw(st.sampled_from(values.get(scope, ["*"]))),
        window_kind=kind,
        window_seconds=draw(st.sampled_from([3600, 86400])) if kind == "rolling" else None,
        time_zone=draw(st.sampled_from(["user", "project"])),
        maximum=draw(st.sampled_from(maxima)),
        is_cap=True,
        arm=draw(st.sampled_from(arms)),
    )


# an hour apart and a day, around midnights, the change of clocks, and Mondays in four places
HOURS = (0, 1, 2, 15, 22, 23, 24, 25, 47, 48, 49, 62, 63, 71, 72, 73, 74, 75)
DENSE_CAPS = {
    "scopes": (*SCOPES, "account"),
    "windows": ("rolling", "rolling", "calendar_day", "calendar_week", "calendar_week", "session"),
    "maxima": (1, 2, 2, 3),
    "arms": (None, None, None, "control"),
}

dense_settings = st.fixed_dictionaries(
    {
        "tier": st.sampled_from(["urgent", "high", "low"]),
        "priority": st.integers(0, 2),
        "channel": st.sampled_from(["in_app", "email"]),
        "tags": st.sampled_from([None, "x", "y", "x|y"]),
        "delay_seconds": st.sampled_from([0, 0, 0, 3600]),
        "expiry_seconds": st.sampled_from([None, None, 3600, 86400]),
        "cooldown_seconds": st.sampled_from([0, 0, 3600, 7200]),
        "re_eligible_after_seconds": st.sampled_from([0, 0, 86400, None]),
        "on_capped": st.sampled_from(["drop", "defer"]),
        "exit_events": st.sampled_from([None, None, "finished", "left|finished"]),
        "bypass_caps": st.sampled_from([False, False, False, True]),
        "counts_toward_caps": st.sampled_from([True, True, True, False]),
        "experiment": st.sampled_from([None, None, "control"]),
        "is_enabled": st.sampled_from([True] * 9 + [False]),
    }
)


class DenseHistory:
    """Sixteen people who never rest, among whom everything happens that can.

    Their moments and the runs lie on the same few hours, so that what happens exactly a window ago
    is the rule and not the exception. One moment in five arrives late.
    """

    def __init__(self, oracle: Oracle, hours: list[int], chance: Random) -> None:
        self.oracle = oracle
        self.clocks = [START + timedelta(hours=hour) for hour in hours]
        self.chance = chance
        self.crowd = [
            Person(
                user_key=f"p{number}",
                account_id=chance.choice([None, "acme", "bolt"]),
                time_zone=chance.choice([None, "Europe/Berlin", "Asia/Seoul", "America/St_Johns"]),
                email_hash=chance.choice([None, None, None, "shared"]),
                refuses=chance.choice([None] * 8 + ["messages", "email"]),
                is_known=chance.random() < 0.95,
            )
            for number in range(16)
        ]

    def happen(self, world: World) -> None:
        """Let everything happen in the warehouse and in the oracle, and compare each run."""
        twins = Twins(self.oracle, world, self.crowd)
        self._set_out(twins)
        arrivals = self._arrivals()
        retagged_in, shared_in = (self.chance.randrange(len(self.clocks)) for _ in "ab")
        sent = []
        for number, now in enumerate(self.clocks):
            for moment in sorted(arrivals[number], key=str):
                twins.moment(moment, in_another_tab=self.chance.random() < 0.1)
            if number == retagged_in:
                twins.retag(self.chance.choice(sorted(self.oracle.triggers)), "y")
            if number == shared_in:
                twins.share(SHARE / 2)
            for moment in sorted(self.oracle.waiting, key=str):
                if self.chance.random() < 0.1:
                    twins.retract(moment)
            for moment in sent:
                if self.chance.random() < 0.2:
                    twins.answer(moment, self.chance.choice(["rejected", "delivered"]), now)
            person, trigger = self.chance.choice(self.crowd), self._trigger()
            twins.reserve(trigger, person, self._session(person), now)
            sent = twins.decide(now)

    def _set_out(self, twins: Twins) -> None:
        for person in self.crowd:
            twins.happened(person, self.chance.choice(["left", "finished"]), self._instant())
            for session in ("a", "b"):
                if self.chance.random() < 0.5:
                    when, score = self._instant(), self.chance.choice([0, 0.5, 0.9])
                    twins.scored(person.user_key + session, when, score)
                    later = when + timedelta(hours=self.chance.choice([1, 24]))
                    twins.scored(person.user_key + session, later, 1 - score)
        for person in self.chance.sample(self.crowd, k=3):
            start, end = sorted([self._instant(), self._instant()])
            twins.looked_like_a_bot(self._session(person), start, end)
        for person in self.chance.sample(self.crowd, k=2):
            twins.suppressed(person, self.chance.choice(["*", "email"]), self._instant())

    def _arrivals(self) -> list[set[Moment]]:
        arrivals = [set() for _ in self.clocks]
        for person in self.crowd:
            for clock in set(self.chance.choices(range(len(self.clocks)), k=8)):
                when = self.clocks[clock] - timedelta(minutes=self.chance.choice([0, 0, 30]))
                is_late = self.chance.random() < 0.2
                seen = self.chance.randrange(clock, len(self.clocks)) if is_late else clock
                for trigger in self.chance.sample(
                    sorted(self.oracle.triggers), k=self.chance.choice([1, 1, 2])
                ):
                    arrivals[seen].add(Moment(trigger, person, self._session(person), when))
        return arrivals

    def _instant(self) -> datetime:
        return self.chance.choice(self.clocks)

    def _session(self, person: Person) -> str:
        return person.user_key + self.chance.choice("ab")

    def _trigger(self) -> str:
        return self.chance.choice(sorted(self.oracle.triggers))


@st.composite
def dense_histories(draw):
    """Draw settings, and let a generator fill them with people."""
    oracle = Oracle(
        {f"t{number}": draw(dense_settings) for number in range(draw(st.integers(2, 4)))},
        [draw(caps(number, **DENSE_CAPS)) for number in range(draw(st.integers(2, 4)))],
        *draw(st.sampled_from([(None, 0, 0), ("email", 22, 6), ("email", 1, 3)])),
        seed=SEED,
        control_share=SHARE,
        wide_awake=draw(st.sampled_from([None, "urgent"])),
        holdout_share=draw(st.sampled_from([0, 0.2])),
    )
    hours = sorted(draw(st.sets(st.sampled_from(HOURS), min_size=6, max_size=8)))
    return DenseHistory(oracle, hours, Random(draw(st.integers(0, 2**32))))


@st.composite
def histories(draw):
    crowd = list({p.user_key: p for p in draw(st.lists(people, min_size=1, max_size=4))}.values())
    triggers = {f"t{number}": draw(trigger_settings) for number in range(draw(st.integers(1, 4)))}
    limits = [draw(caps(number)) for number in range(draw(st.integers(0, 5)))]
    moments = draw(
        st.lists(
            st.tuples(
                st.sampled_from(sorted(triggers)),
                st.sampled_from(crowd),
                st.sampled_from("ab"),
                minutes,
            ),
            min_size=1,
            max_size=25,
            unique_by=lambda m: (m[0], m[1].user_key, m[3]),
        )
    )
    known = {
        Moment(trigger, person, f"{person.user_key}{session}", START + after)
        for trigger, person, session, after in moments
    }
    clocks = sorted(draw(st.sets(minutes, min_size=1, max_size=4)))
    return crowd, triggers, limits, known, [START + clock for clock in clocks]


@pytest.mark.property
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES < 50,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    history=histories(), quiet=st.sampled_from([(None, 0, 0), ("email", 22, 6), ("email", 1, 5)])
)
def test_the_warehouse_decides_as_the_oracle_does(project, history, quiet):
    crowd, triggers, limits, moments, clocks = history
    oracle = Oracle(triggers, limits, *quiet, seed=SEED, control_share=SHARE)
    twins = Twins(oracle, World(project), crowd)
    for moment in moments:
        twins.moment(moment)

    for now in clocks:
        twins.decide(now)
        assert twins.world.decide(now) == []


@pytest.mark.property
@settings(
    max_examples=DENSE_EXAMPLES,
    deadline=None,
    derandomize=DENSE_EXAMPLES < 50,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(history=dense_histories())
def test_it_does_so_at_the_very_edge_of_every_window(project, history):
    history.happen(World(project))
