"""Worked cases D of the specification: holdouts, controls and the hash that deals people out."""

from datetime import timedelta

import pytest

from reverse_etl.assignment import assigned_place
from tests.triggers.world import at

MONDAY = at("2026-01-05 09:00")
HOUR = timedelta(hours=1)

VECTORS = [
    ("seed", "a", 0.0505),
    ("seed", "b", 0.2696),
    ("foo", "ab", 0.2575),
    ("foo", "def", 0.2019),
    ("89123klj", "8952klfjas09ujkasdf", 0.124),
    ("90850943850283058242805", "123", 0.7516),
]


@pytest.fixture
def halves(world):
    """Everybody whose place is below one half is a control of the experiment."""
    world.insert(
        "experiments",
        {"experiment": "tips", "hash_seed": "s", "unit": "address", "is_enabled": True},
    )
    for arm, is_control, start, end in (("control", True, 0, 0.5), ("tip", False, 0.5, 1)):
        world.insert(
            "experiment_arms",
            {
                "experiment": "tips",
                "arm": arm,
                "is_control": is_control,
                "bucket_from": start,
                "bucket_to": end,
            },
        )
    world.trigger("tip", experiment="tips")
    return world


def someone(is_control: bool, prefix: str = "p") -> str:
    """Return the first id that falls in, or out of, the control."""
    return next(
        f"{prefix}{number}"
        for number in range(100)
        if (assigned_place("s", f"{prefix}{number}") < 0.5) == is_control
    )


@pytest.mark.parametrize(("seed", "unit", "place"), VECTORS)
def test_d6_the_hash_is_the_published_one_in_python(seed, unit, place):
    assert assigned_place(seed, unit) == place


def test_sql_and_python_deal_alike(halves):
    units = [f"user-{number}" for number in range(200)] + ["", "é", "你好", "a|b"]
    for unit in units:
        halves.person(unit)
        halves.moment("tip", MONDAY, unit)
    halves.decide(MONDAY)
    places = halves.rows("""
        select facts.address, assignments.place
        from kairos.candidate_assignments as assignments
        inner join kairos.candidate_facts as facts using (decision_id)
    """)
    assert len(places) == len(units)
    for row in places:
        assert row["place"] == pytest.approx(assigned_place("s", row["address"]), abs=1e-12)


def test_d1_a_holdout_gets_nothing_but_what_is_exempt(world):
    holdout = {"holdout": "global", "hash_seed": "h", "share": 1, "exempt_tag": "transactional"}
    world.insert("holdouts", {**holdout, "is_enabled": True})
    world.trigger("campaign")
    world.trigger("receipt", tags="transactional")
    world.moment("campaign", MONDAY)
    world.moment("receipt", MONDAY)
    campaign, receipt = world.decide(MONDAY)
    assert (campaign["outcome"], campaign["reason"]) == ("ghost", "holdout")
    assert receipt["outcome"] == "send"


def test_d1_a_holdout_is_told_from_a_control_of_the_campaign(halves):
    holdout = {"holdout": "global", "hash_seed": "h", "share": 1, "is_enabled": True}
    halves.insert("holdouts", holdout)
    for is_control in (True, False):
        halves.person(someone(is_control))
        halves.moment("tip", MONDAY, someone(is_control))
    decisions = halves.decide(MONDAY)
    assert {(row["outcome"], row["reason"], row["holdout"]) for row in decisions} == {
        ("ghost", "holdout", "global")
    }


def test_d3_a_control_leaves_a_ghost_that_meets_every_gate(halves):
    control, treated = someone(True), someone(False)
    for user in (control, treated):
        halves.person(user)
        halves.moment("tip", MONDAY, user)
    decisions = {row["user_key"]: row for row in halves.decide(MONDAY)}
    assert decisions[control]["outcome"] == "ghost"
    assert decisions[control]["arm"] == "control"
    assert decisions[treated]["outcome"] == "send"
    gates = halves.rows("""
        select count(*) as n from kairos.decision_gates group by decision_id
    """)
    assert [row["n"] for row in gates] == [11, 11]


def test_d3_both_arms_meet_the_same_caps(halves):
    halves.cap("daily", maximum=1)
    for user in (someone(True), someone(False)):
        halves.person(user)
        for hours in range(3):
            halves.moment("tip", MONDAY + hours * HOUR, user)
    outcomes = []
    for hours in range(3):
        rows = halves.decide(MONDAY + hours * HOUR) if hours else halves.decide(MONDAY)
        outcomes.append(sorted(row["outcome"] for row in rows))
    assert outcomes[0] == ["ghost", "send"]
    assert outcomes[1:] == [["suppressed", "suppressed"]] * 2


def test_a_ghost_takes_no_place_from_a_message_but_a_message_does_from_a_ghost(halves):
    control = someone(True)
    halves.person(control)
    halves.trigger("other", priority=1)
    halves.cap("daily", maximum=1)
    halves.moment("tip", MONDAY, control)
    halves.moment("other", MONDAY, control)
    assert halves.outcomes(MONDAY) == ["send", "ghost"]
    halves.moment("tip", MONDAY + HOUR, control)
    assert halves.outcomes(MONDAY + HOUR) == ["suppressed"]


def test_d5_a_control_stays_one_whatever_the_shares_become(halves):
    control = someone(True)
    halves.person(control)
    halves.moment("tip", MONDAY, control)
    assert halves.outcomes(MONDAY) == ["ghost"]
    halves.connection.execute("""
        update kairos.experiment_arms
        set bucket_from = case when is_control then 0 else 0 end,
            bucket_to = case when is_control then 0 else 1 end
    """)
    halves.moment("tip", MONDAY + HOUR, control)
    assert halves.outcomes(MONDAY + HOUR) == ["ghost"]


def test_two_ids_with_one_address_fall_in_one_arm(halves):
    one, other = someone(True), someone(False)
    for user in (one, other):
        halves.person(user, email_hash="same")
        halves.moment("tip", MONDAY, user)
    assert len({row["arm"] for row in halves.decide(MONDAY)}) == 1


def test_experiments_of_one_namespace_exclude_each_other(world):
    for name, start, end in (("one", 0, 0.5), ("two", 0.5, 1)):
        world.insert(
            "experiments",
            {
                "experiment": name,
                "hash_seed": name,
                "unit": "user",
                "namespace": "layer",
                "namespace_from": start,
                "namespace_to": end,
                "is_enabled": True,
            },
        )
        world.insert(
            "experiment_arms",
            {
                "experiment": name,
                "arm": "all",
                "is_control": False,
                "bucket_from": 0,
                "bucket_to": 1,
            },
        )
        world.trigger(name, experiment=name)
    for number in range(20):
        world.person(f"p{number}")
        for name in ("one", "two"):
            world.moment(name, MONDAY, f"p{number}")
    world.decide(MONDAY)
    arms = world.rows("""
        select user_key, count(arm) as n from kairos.trigger_decisions
        group by user_key order by user_key
    """)
    assert [row["n"] for row in arms] == [1] * 20


def test_a_cap_of_an_arm_is_for_the_people_in_it(world):
    world.insert(
        "experiments",
        {"experiment": "caps", "hash_seed": "seed", "unit": "user", "is_enabled": True},
    )
    for arm, start, end in (("few", 0, 0.2), ("many", 0.2, 1)):
        world.insert(
            "experiment_arms",
            {"experiment": "caps", "arm": arm, "bucket_from": start, "bucket_to": end},
        )
        maximum = 1 if arm == "few" else 2
        world.cap(f"per_day_{arm}", maximum=maximum, experiment="caps", arm=arm)
    world.trigger("tip")
    for user in ("a", "b"):  # at 0.0505 and 0.2696
        world.person(user)
        assert world.sent("tip", MONDAY, user)
    assert not world.sent("tip", MONDAY + HOUR, "a")
    assert world.sent("tip", MONDAY + HOUR, "b")
    assert not world.sent("tip", MONDAY + 2 * HOUR, "b")
    world.connection.execute("update kairos.experiments set is_enabled = false")
    assert world.sent("tip", MONDAY + 3 * HOUR, "a")
