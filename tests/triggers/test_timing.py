"""Worked cases C of the specification: quiet hours, delays, deferral and freshness."""

from datetime import timedelta

import pytest

from tests.triggers.world import at

MONDAY = at("2026-01-05 09:00")
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def night(world):
    """Nobody is woken between ten in the evening and six in the morning."""
    world.trigger("mail", channel="email", on_capped="defer")
    world.insert(
        "quiet_hours",
        {
            "channel": "email",
            "tier": "*",
            "starts_at": "22:00",
            "ends_at": "06:00",
            "is_enabled": True,
        },
    )
    return world


@pytest.mark.parametrize(
    ("due", "until"),
    [
        ("2026-01-05 05:30", "2026-01-05 06:00"),
        ("2026-01-05 22:00", "2026-01-06 06:00"),
        ("2026-01-05 21:59:59.999", None),
        ("2026-01-05 06:00", None),
    ],
)
def test_c1_quiet_hours_are_half_open_and_run_over_midnight(night, due, until):
    night.moment("mail", at(due))
    [decision] = night.decide(at(due))
    if until is None:
        assert decision["outcome"] == "send"
    else:
        assert (decision["outcome"], decision["reason"]) == ("deferred", "quiet_hours")
        assert decision["deferred_until"] == at(until).replace(tzinfo=None)
        assert night.outcomes(at(until)) == ["send"]


def test_c1_it_is_night_where_the_person_is(night):
    night.person("kim", time_zone="Asia/Seoul")
    night.moment("mail", at("2026-01-05 13:00"), "kim")
    [decision] = night.decide(at("2026-01-05 13:00"))
    assert decision["deferred_until"] == at("2026-01-05 21:00").replace(tzinfo=None)


def test_morning_comes_an_hour_earlier_when_the_clock_goes_forward(night):
    night.person("eva", time_zone="Europe/Berlin")
    night.moment("mail", at("2026-03-28 22:00"), "eva")
    [decision] = night.decide(at("2026-03-28 22:00"))
    assert decision["deferred_until"] == at("2026-03-29 04:00").replace(tzinfo=None)


def test_an_hour_that_the_clock_shows_twice_does_not_wake_anybody_in_the_past(world):
    world.trigger("mail", channel="email")
    world.person("eva", time_zone="Europe/Berlin")
    world.insert(
        "quiet_hours",
        {
            "channel": "email",
            "tier": "*",
            "starts_at": "22:00",
            "ends_at": "02:30",
            "is_enabled": True,
        },
    )
    now = at("2026-10-25 01:10")  # 02:10 for the second time
    world.moment("mail", now, "eva")
    [decision] = world.decide(now)
    assert decision["deferred_until"] == at("2026-10-25 01:30").replace(tzinfo=None)
    assert world.decide(now) == []


def test_c4_a_delay_and_quiet_hours_add_up(world):
    world.trigger("cart", channel="email", delay_seconds=2 * 86400)
    world.insert(
        "quiet_hours",
        {
            "channel": "email",
            "tier": "*",
            "starts_at": "17:00",
            "ends_at": "09:00",
            "is_enabled": True,
        },
    )
    world.moment("cart", at("2026-01-05 18:00"))
    assert [row["reason"] for row in world.decide(at("2026-01-05 18:00"))] == ["not_due"]
    assert [row["reason"] for row in world.decide(at("2026-01-07 18:00"))] == ["quiet_hours"]
    assert world.outcomes(at("2026-01-08 08:59")) == []
    assert world.outcomes(at("2026-01-08 09:00")) == ["send"]


def test_c5_a_delay_that_ends_at_night_is_held_or_dropped_as_its_expiry_says(night):
    for name, hours in (("brief", 4), ("long", 10)):
        settings = {"expiry_seconds": hours * 3600, "delay_seconds": 2 * 3600}
        night.trigger(name, channel="email", **settings)
        night.moment(name, at("2026-01-05 22:00"))
    evening = night.decide(at("2026-01-05 22:00"))
    assert [row["reason"] for row in evening] == ["not_due", "not_due"]
    brief, long = night.decide(at("2026-01-06 00:00"))
    assert (brief["outcome"], brief["reason"]) == ("suppressed", "quiet_hours")
    assert (long["outcome"], long["reason"]) == ("deferred", "quiet_hours")
    assert night.outcomes(at("2026-01-06 06:00")) == ["send"]


def test_c6_the_flush_of_the_morning_is_arbitrated(night):
    night.cap("daily", window_kind="calendar_day", window_seconds=None)
    for priority, name in enumerate(["last", "middle", "best"]):
        night.trigger(name, channel="email", priority=priority, on_capped="drop")
        night.moment(name, at("2026-01-05 23:00"))
    assert night.outcomes(at("2026-01-05 23:00")) == ["deferred"] * 3
    morning = {row["trigger_name"]: row for row in night.decide(at("2026-01-06 06:00"))}
    assert morning["best"]["outcome"] == "send"
    assert {morning[name]["reason"] for name in ("middle", "last")} == {"outranked"}


def test_a_sleeping_candidate_takes_no_place_from_one_that_is_sent(night):
    night.trigger("chat", priority=1)
    night.cap("daily")
    night.moment("mail", at("2026-01-05 23:00"))
    night.moment("chat", at("2026-01-05 23:00"))
    assert night.outcomes(at("2026-01-05 23:00")) == ["send", "deferred"]


def test_an_exit_event_in_the_delay_cancels(world):
    world.trigger("reminder", delay_seconds=3600, exit_events="setup_completed|team_invited")
    for user in ("ann", "bob"):
        world.person(user) if user != "ann" else None
        world.moment("reminder", MONDAY, user)
    assert world.outcomes(MONDAY) == ["deferred", "deferred"]
    event = {"user_key": "bob", "event_name": "team_invited", "event_at": MONDAY + HOUR / 2}
    world.insert("events", event)
    decisions = world.decide(MONDAY + HOUR)
    assert [row["outcome"] for row in decisions] == ["send", "suppressed"]
    assert (decisions[1]["reason"], decisions[1]["blocked_by"]) == ("exited", "team_invited")


def test_yesterdays_pause_is_no_moment(world):
    world.trigger("tip", expiry_seconds=3600)
    world.moment("tip", MONDAY)
    world.moment("tip", MONDAY + timedelta(milliseconds=1))
    assert world.outcomes(MONDAY + HOUR) == ["suppressed", "send"]


def test_a_moment_that_late_data_takes_back_while_it_waits_ends_with_a_reason(world):
    world.trigger("reminder", delay_seconds=3600)
    world.moment("reminder", MONDAY)
    assert world.outcomes(MONDAY) == ["deferred"]
    world.connection.execute("delete from kairos.trigger_moments")
    [decision] = world.decide(MONDAY + HOUR)
    assert (decision["outcome"], decision["reason"]) == ("suppressed", "retracted")
