"""Worked cases B of the specification: caps, cooldowns and who counts against whom."""

from datetime import timedelta

from tests.triggers.world import at

MONDAY = at("2026-01-05 09:00")
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def test_b2_a_calendar_day_begins_at_midnight(world):
    world.trigger("tip")
    world.cap("daily", window_kind="calendar_day", window_seconds=None)
    assert world.sent("tip", at("2026-01-05 23:00"))
    assert world.sent("tip", at("2026-01-06 00:00"))


def test_b2_a_rolling_day_does_not_begin_at_midnight(world):
    world.trigger("tip")
    world.cap("daily")
    assert world.sent("tip", at("2026-01-05 23:00"))
    assert not world.sent("tip", at("2026-01-06 00:00"))
    assert not world.sent("tip", at("2026-01-06 22:59:59.999"))
    assert world.sent("tip", at("2026-01-06 23:00"))
