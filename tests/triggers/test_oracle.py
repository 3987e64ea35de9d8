"""Laws 3, 5 and 6 on random histories: the SQL decides exactly as the slow oracle does."""

import os
from datetime import timedelta
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.triggers.oracle import Limit, Moment, Oracle, Person
from tests.triggers.world import World, at

START = at("2026-10-23 00:00")  # a weekend on which clocks go back in Europe
EXAMPLES = int(os.environ.get("KAIROS_EXAMPLES", "5"))
DENSE_EXAMPLES = int(os.environ.get("KAIROS_EXAMPLES", "10"))
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
def caps(draw, number, scopes=SCOPES, windows=WINDOWS, maxima=(1, 1, 2, 3, 0)):
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
    )


# an hour apart and a day, around midnights, the change of clocks, and Mondays in four places
HOURS = (0, 1, 2, 15, 22, 23, 24, 25, 47, 48, 49, 62, 63, 71, 72, 73, 74, 75)
DENSE_CAPS = {
    "scopes": (*SCOPES, "account"),
    "windows": ("rolling", "rolling", "calendar_day", "calendar_week", "calendar_week", "session"),
    "maxima": (1, 2, 2, 3),
}

dense_settings = st.fixed_dictionaries(
    {
        "tier": st.sampled_from(["urgent", "high", "low"]),
        "priority": st.integers(0, 3),
        "channel": st.sampled_from(["in_app", "email"]),
        "tags": st.sampled_from([None, "x", "y", "x|y"]),
        "delay_seconds": st.sampled_from([0, 0, 0, 3600]),
        "expiry_seconds": st.sampled_from([None, None, 3600, 86400]),
        "cooldown_seconds": st.sampled_from([0, 0, 3600, 7200]),
        "re_eligible_after_seconds": st.sampled_from([0, 0, 86400, None]),
        "on_capped": st.sampled_from(["drop", "defer"]),
        "bypass_caps": st.sampled_from([False, False, False, True]),
        "counts_toward_caps": st.sampled_from([True, True, True, False]),
        "experiment": st.sampled_from([None, None, "control"]),
    }
)


@st.composite
def dense_histories(draw):
    """Draw settings, and let a generator fill them with 16 people who never rest.

    Their moments and the runs lie on the same few hours, so that what happens exactly a window ago
    is the rule and not the exception; one moment in five arrives late, and tags are changed between
    two runs.
    """
    triggers = {f"t{number}": draw(dense_settings) for number in range(draw(st.integers(2, 4)))}
    limits = [draw(caps(number, **DENSE_CAPS)) for number in range(draw(st.integers(2, 4)))]
    clocks = sorted(draw(st.sets(st.sampled_from(HOURS), min_size=6, max_size=8)))
    chance = Random(draw(st.integers(0, 2**32)))
    crowd = [
        Person(
            user_key=f"p{number}",
            account_id=chance.choice([None, "acme", "bolt"]),
            time_zone=chance.choice([None, "Europe/Berlin", "Asia/Seoul", "America/St_Johns"]),
        )
        for number in range(16)
    ]
    arrivals = [set() for _ in clocks]
    for person in crowd:
        for hour in set(chance.choices(clocks, k=8)):
            when = START + timedelta(hours=hour, minutes=chance.choice([0, 0, -30]))
            first = next(n for n, clock in enumerate(clocks) if clock >= hour)
            seen = first if chance.random() < 0.8 else chance.randrange(first, len(clocks))
            for trigger in chance.sample(sorted(triggers), k=chance.choice([1, 1, 2])):
                session = f"{person.user_key}{chance.choice('ab')}"
                arrivals[seen].add(Moment(trigger, person, session, when))
    retagged = (chance.randrange(len(clocks)), chance.choice(sorted(triggers)))
    return crowd, triggers, limits, arrivals, [START + timedelta(hours=c) for c in clocks], retagged


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
    world = arrange(World(project), crowd, triggers, limits, quiet)
    for moment in moments:
        world.moment(moment.trigger, moment.when, moment.person.user_key, moment.session)

    for now in clocks:
        compare(oracle, world, moments, now)
        assert world.decide(now) == []


@pytest.mark.property
@settings(
    max_examples=DENSE_EXAMPLES,
    deadline=None,
    derandomize=DENSE_EXAMPLES < 50,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    history=dense_histories(),
    quiet=st.sampled_from([(None, 0, 0), ("email", 22, 6), ("email", 1, 3)]),
)
def test_it_does_so_at_the_very_edge_of_every_window(project, history, quiet):
    crowd, triggers, limits, arrivals, clocks, (retagged_in, retagged) = history
    oracle = Oracle(dict(triggers), limits, *quiet, seed=SEED, control_share=SHARE)
    world = arrange(World(project), crowd, triggers, limits, quiet)
    known = set()
    for number, now in enumerate(clocks):
        for moment in sorted(arrivals[number], key=str):
            world.moment(moment.trigger, moment.when, moment.person.user_key, moment.session)
        known |= arrivals[number]
        if number == retagged_in:
            oracle.triggers[retagged] = {**triggers[retagged], "tags": "y"}
            world.connection.execute(
                "update kairos.triggers set tags = 'y' where trigger_name = ?", [retagged]
            )
        compare(oracle, world, known, now)


def compare(oracle, world, moments, now):
    """Let both decide, and check that no moment becomes of anything else."""
    rows = world.decide(now)
    actual = {}
    ids = {}
    for row in rows:
        key = (row["trigger_name"], row["user_key"], row["moment_at"])
        actual[key] = (row["outcome"], row["deferred_until"])
        ids[key] = row["decision_id"]

    def key_of(moment):
        return (moment.trigger, moment.person.user_key, moment.when.replace(tzinfo=None))

    decided = oracle.decide(moments, now, {m: ids.get(key_of(m), "") for m in moments})
    expected = {
        key_of(moment): (outcome, until and until.replace(tzinfo=None))
        for moment, (outcome, until) in decided.items()
    }
    assert len(rows) == len(actual)
    assert actual == expected


def arrange(world, crowd, triggers, limits, quiet):
    for person in crowd:
        world.person(person.user_key, account_id=person.account_id, time_zone=person.time_zone)
    world.insert(
        "experiments",
        {"experiment": "control", "hash_seed": SEED, "unit": "user", "is_enabled": True},
    )
    world.insert(
        "experiment_arms",
        {
            "experiment": "control",
            "arm": "control",
            "is_control": True,
            "bucket_from": 0,
            "bucket_to": SHARE,
        },
    )
    for name, row in triggers.items():
        world.trigger(name, **row)
    for limit in limits:
        row = dict(vars(limit))
        del row["is_cap"]
        world.cap(row.pop("name"), **row)
    channel, start, end = quiet
    if channel:
        world.insert(
            "quiet_hours",
            {
                "channel": channel,
                "tier": "*",
                "starts_at": f"{start:02}:00",
                "ends_at": f"{end:02}:00",
                "is_enabled": True,
            },
        )
    return world
