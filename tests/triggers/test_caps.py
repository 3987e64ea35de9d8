"""Worked cases B of the specification: what counts against a cap, in which window, and for whom."""

from datetime import timedelta

import pytest

from tests.triggers.world import at

MONDAY = at("2026-01-05 09:00")
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def test_b2_a_calendar_day_begins_at_midnight(world):
    world.trigger("tip")
    world.cap("daily", window_kind="calendar_day", window_seconds=None)
    assert world.sent("tip", at("2026-01-05 23:00"))
    assert world.sent("tip", at("2026-01-06 00:00"))


def test_b2_a_rolling_day_does_not_begin_at_midnight_and_is_half_open(world):
    world.trigger("tip")
    world.cap("daily")
    assert world.sent("tip", at("2026-01-05 23:00"))
    assert not world.sent("tip", at("2026-01-06 00:00"))
    assert not world.sent("tip", at("2026-01-06 22:59:59.999"))
    assert world.sent("tip", at("2026-01-06 23:00"))


def test_the_calendar_day_is_the_persons_own(world):
    world.trigger("tip")
    world.cap("daily", window_kind="calendar_day", window_seconds=None)
    world.person("kim", time_zone="Asia/Seoul")  # midnight there is 15:00 UTC
    assert world.sent("tip", at("2026-01-05 14:59"), "kim")
    assert world.sent("tip", at("2026-01-05 15:00"), "kim")
    assert not world.sent("tip", at("2026-01-06 00:30"), "kim")


def test_a_time_zone_that_no_clock_knows_falls_back_to_the_projects(world):
    world.trigger("tip")
    world.cap("daily", window_kind="calendar_day", window_seconds=None)
    world.person("zed", time_zone="Mars/Olympus_Mons")
    assert world.sent("tip", at("2026-01-05 23:00"), "zed")
    assert not world.sent("tip", at("2026-01-05 23:30"), "zed")
    assert world.sent("tip", at("2026-01-06 00:00"), "zed")


def test_a_calendar_day_may_have_25_hours(world):
    world.trigger("tip")
    world.cap("daily", window_kind="calendar_day", window_seconds=None)
    world.person("eva", time_zone="Europe/Berlin")  # 25 October 2026, 22:00 UTC to 23:00 UTC
    assert world.sent("tip", at("2026-10-24 22:00"), "eva")
    assert not world.sent("tip", at("2026-10-25 22:59:59"), "eva")
    assert world.sent("tip", at("2026-10-25 23:00"), "eva")


@pytest.mark.parametrize(
    ("first", "second", "midnight"),
    [
        ("2026-03-28 23:00", "2026-03-29 08:00", "2026-03-29 22:00"),
        ("2026-10-24 22:00", "2026-10-25 08:00", "2026-10-25 23:00"),
    ],
)
def test_what_waits_for_another_day_wakes_at_its_midnight_though_the_clocks_change(
    world, first, second, midnight
):
    world.trigger("mail", on_capped="defer")
    world.cap("daily", window_kind="calendar_day", window_seconds=None)
    world.person("eva", time_zone="Europe/Berlin")
    assert world.sent("mail", at(first), "eva")
    world.moment("mail", at(second), "eva")
    [waiting] = world.decide(at(second))
    assert waiting["outcome"] == "deferred"
    assert waiting["deferred_until"] == at(midnight).replace(tzinfo=None)


def test_b3_two_pushes_a_week_let_the_third_wait(world):
    world.trigger("push", channel="push")
    world.cap("weekly", scope="channel", scope_value="push", maximum=2, window_seconds=7 * 86400)
    assert world.sent("push", MONDAY)
    assert world.sent("push", MONDAY + 2 * DAY)
    assert not world.sent("push", MONDAY + 3 * DAY)


def test_b4_other_channels_neither_count_nor_are_capped(world):
    world.cap("weekly", scope="channel", scope_value="push", maximum=3, window_seconds=7 * 86400)
    for number, channel in enumerate(["push", "push", "in_app", "push", "in_app", "card"]):
        world.trigger(f"message_{number}", channel=channel)
        assert world.sent(f"message_{number}", MONDAY + number * HOUR)


def test_b6_the_most_restrictive_cap_wins(world):
    world.trigger("promo", tags="promo")
    world.cap("one_of_all", maximum=1, window_seconds=7 * 86400)
    world.cap("three_promos", scope="tag", scope_value="promo", maximum=3, window_seconds=7 * 86400)
    assert world.sent("promo", MONDAY)
    assert not world.sent("promo", MONDAY + DAY)


def test_b7_tags_count_as_they_were_when_decided(world):
    world.trigger("a", tags="promotional")
    world.trigger("b", tags="promotional")
    world.cap("promos", scope="tag", scope_value="promotional", window_seconds=7 * 86400)
    assert world.sent("a", MONDAY)
    world.connection.execute("update kairos.triggers set tags = null where trigger_name = 'a'")
    assert not world.sent("b", MONDAY + 2 * DAY)


def test_b7_a_tag_that_is_taken_off_and_put_on_again_changes_nothing(world):
    world.trigger("a", tags="promotional")
    world.trigger("b", tags="promotional")
    world.cap("promos", scope="tag", scope_value="promotional", window_seconds=7 * 86400)
    assert world.sent("a", MONDAY)
    for day, tags in ((1, "null"), (2, "'promotional'")):
        world.connection.execute(
            f"update kairos.triggers set tags = {tags} where trigger_name = 'a'"
        )
        assert not world.sent("b", MONDAY + day * DAY)
    assert world.sent("b", MONDAY + 7 * DAY)


def test_b9_a_bypass_is_sent_and_leaves_the_counter_alone(world):
    world.trigger("receipt", bypass_caps=True, counts_toward_caps=False)
    world.trigger("tip")
    world.cap("daily", maximum=1)
    assert world.sent("receipt", MONDAY)
    assert world.sent("tip", MONDAY + HOUR)
    assert world.sent("receipt", MONDAY + 2 * HOUR)


def test_b9_a_bypass_that_counts_uses_up_a_place(world):
    world.trigger("override", bypass_caps=True, counts_toward_caps=True)
    world.trigger("flow")
    world.cap("hourly", maximum=2, window_seconds=3600)
    assert world.sent("override", MONDAY)
    assert world.sent("flow", MONDAY + MINUTE)
    assert not world.sent("flow", MONDAY + 2 * MINUTE)
    assert world.sent("override", MONDAY + 3 * MINUTE)


def test_b10_twenty_flows_and_two_places_are_two_messages(world):
    world.cap("hourly", maximum=2, window_seconds=3600)
    for number in range(20):
        world.trigger(f"flow_{number:02}")
        world.moment(f"flow_{number:02}", MONDAY)
    assert world.outcomes(MONDAY) == ["send"] * 2 + ["suppressed"] * 18


def test_b11_two_guides_an_interval_apart_are_both_shown(world):
    world.cap("interval", maximum=1, window_seconds=900)
    for guide in ("guide_1", "guide_2"):
        world.trigger(guide, on_capped="defer")
        world.moment(guide, MONDAY)
    first, second = world.decide(MONDAY)
    assert (first["outcome"], second["outcome"]) == ("send", "deferred")
    assert second["deferred_until"] == (MONDAY + 15 * MINUTE).replace(tzinfo=None)
    assert world.outcomes(MONDAY + 14 * MINUTE) == []
    assert world.outcomes(MONDAY + 15 * MINUTE) == ["send"]


def test_b11_three_flows_three_hours_apart_take_six_hours(world):
    world.cap("interval", maximum=1, window_seconds=3 * 3600)
    for flow in ("flow_1", "flow_2", "flow_3"):
        world.trigger(flow, on_capped="defer")
        world.moment(flow, MONDAY)
    sent = [
        hour
        for hour in range(10)
        for row in world.decide(MONDAY + hour * HOUR)
        if row["outcome"] == "send"
    ]
    assert sent == [0, 3, 6]


def test_b13_a_minimum_gap_holds_between_any_two_messages(world):
    world.trigger("campaign")
    world.trigger("event")
    world.cap("gap", window_seconds=1800)
    assert world.sent("campaign", at("2026-01-05 13:00"))
    assert not world.sent("event", at("2026-01-05 13:15"))
    assert world.sent("event", at("2026-01-05 13:30"))


def test_b13_five_in_two_days_first_come_first_served_over_all_channels(world):
    world.cap("all", maximum=5, window_seconds=2 * 86400)
    for number, channel in enumerate(["push", "email", "in_app", "push", "sms", "email"]):
        world.trigger(f"message_{number}", channel=channel)
        assert world.sent(f"message_{number}", MONDAY + number * HOUR) == (number < 5)


def test_b15_re_eligibility_counts_seconds_not_months(world):
    world.trigger("monthly", re_eligible_after_seconds=30 * 86400)
    assert world.sent("monthly", at("2026-02-15 09:00"))
    assert not world.sent("monthly", at("2026-03-15 09:00"))
    world.trigger("daily", re_eligible_after_seconds=86400)
    assert world.sent("daily", at("2026-02-15 08:30"))
    assert not world.sent("daily", at("2026-02-16 08:00"))
    assert world.sent("daily", at("2026-02-16 08:30"))


def test_b16_only_a_message_that_was_sent_ends_eligibility(world):
    world.trigger("once", re_eligible_after_seconds=None, is_enabled=False)
    assert not world.sent("once", MONDAY)
    world.connection.execute("update kairos.triggers set is_enabled = true")
    assert world.sent("once", MONDAY + DAY)
    assert not world.sent("once", MONDAY + 900 * DAY)


def test_b21_what_is_deferred_waits_for_the_oldest_to_leave_the_window(world):
    world.trigger("mail", on_capped="defer")
    world.cap("weekly", maximum=3, window_seconds=7 * 86400)
    for day in range(3):
        assert world.sent("mail", MONDAY + day * DAY)
    world.moment("mail", MONDAY + 3 * DAY)
    [fourth] = world.decide(MONDAY + 3 * DAY)
    assert fourth["outcome"] == "deferred"
    assert fourth["deferred_until"] == (MONDAY + 7 * DAY).replace(tzinfo=None)
    assert world.outcomes(MONDAY + 7 * DAY) == ["send"]


def test_b21_no_maximum_is_off_and_nought_blocks_everything(world):
    world.trigger("tip")
    world.cap("off", maximum=None)
    assert world.sent("tip", MONDAY)
    world.cap("blocks", maximum=0)
    assert not world.sent("tip", MONDAY + HOUR)


def test_b21_a_cap_holds_for_what_waits_as_for_what_goes_at_once_and_never_for_receipts(world):
    world.trigger("once")
    world.trigger("journey", delay_seconds=3600, priority=1)
    world.trigger("receipt", bypass_caps=True, counts_toward_caps=False)
    world.cap("weekly", maximum=1, window_seconds=7 * 86400)
    world.moment("journey", MONDAY)
    assert world.sent("once", MONDAY)
    assert world.outcomes(MONDAY + HOUR) == ["suppressed"]
    assert world.sent("receipt", MONDAY + HOUR)


def test_b23_a_decision_that_late_data_takes_back_still_counts(world):
    world.trigger("tip")
    world.cap("daily", maximum=2)
    assert world.sent("tip", MONDAY)
    world.connection.execute("delete from kairos.trigger_moments")
    assert world.decide(MONDAY + HOUR) == []
    assert world.sent("tip", MONDAY + 2 * HOUR)
    assert not world.sent("tip", MONDAY + 3 * HOUR)


def test_a_candidate_that_one_cap_blocks_does_not_use_up_another(world):
    world.cap("one_pause", scope="tag", scope_value="pause", maximum=1)
    world.cap("two_of_all", maximum=2)
    for priority, (name, tags) in enumerate(
        [("third", "other"), ("blocked", "pause"), ("first", "pause")]
    ):
        world.trigger(name, tags=tags, priority=priority)
        world.moment(name, MONDAY)
    decisions = {row["trigger_name"]: row for row in world.decide(MONDAY)}
    assert decisions["first"]["outcome"] == "send"
    assert decisions["blocked"]["outcome"] == "suppressed"
    assert (decisions["blocked"]["reason"], decisions["blocked"]["blocked_by"]) == (
        "outranked",
        "one_pause",
    )
    assert decisions["third"]["outcome"] == "send"


def test_a_session_cap_counts_the_session_and_no_other(world):
    world.trigger("tip")
    world.cap("per_session", window_kind="session", window_seconds=None)
    assert world.sent("tip", MONDAY, session="s1")
    assert not world.sent("tip", MONDAY + HOUR, session="s1")
    assert world.sent("tip", MONDAY + 2 * HOUR, session="s2")


def test_an_account_cap_counts_over_all_its_people(world):
    world.trigger("tip")
    world.cap("per_account", scope="account", maximum=2)
    for number in range(3):
        world.person(f"p{number}", account_id="acme")
        world.moment("tip", MONDAY, f"p{number}")
    world.person("other", account_id="umbrella")
    world.moment("tip", MONDAY, "other")
    assert sorted(world.outcomes(MONDAY)) == ["send", "send", "send", "suppressed"]


def test_a_star_caps_each_tag_and_tier_and_trigger_by_itself(world):
    world.trigger("a", tags="x|y")
    world.trigger("b", tags="y")
    world.trigger("c", tags="z")
    world.cap("each_tag", scope="tag", scope_value="*")
    assert world.sent("a", MONDAY)
    assert not world.sent("b", MONDAY + HOUR)
    assert world.sent("c", MONDAY + HOUR)


def test_a_calendar_week_begins_on_monday(world):
    world.trigger("tip")
    world.cap("weekly", window_kind="calendar_week", window_seconds=None)
    assert world.sent("tip", MONDAY - 10 * HOUR)  # Sunday 23:00
    assert world.sent("tip", MONDAY)
    assert not world.sent("tip", MONDAY + 6 * DAY)
    assert world.sent("tip", MONDAY + 7 * DAY)


def test_a_permanent_rejection_gives_the_place_back_and_a_bounce_does_not(world):
    world.trigger("tip")
    world.cap("daily", maximum=1)
    world.moment("tip", MONDAY)
    [decision] = world.decide(MONDAY)
    world.operation(1, decision["decision_id"], "delivered", MONDAY)  # and bounced
    assert not world.sent("tip", MONDAY + HOUR)
    world.operation(2, decision["decision_id"], "rejected", MONDAY + HOUR)
    assert world.sent("tip", MONDAY + 2 * HOUR)


def test_a_realtime_reservation_counts_once_wherever_it_was_decided(world):
    world.trigger("tip")
    world.cap("daily", maximum=2)
    world.operation(1, "realtime", "reserved", MONDAY, number=1)
    world.moment("tip", MONDAY + HOUR)
    [decision] = world.decide(MONDAY + HOUR)
    assert decision["outcome"] == "send"
    world.operation(2, decision["decision_id"], "accepted", MONDAY + HOUR, number=2)
    assert not world.sent("tip", MONDAY + 2 * HOUR)
    assert world.sent("tip", MONDAY + DAY)


def test_a_backfill_cannot_squeeze_in_beside_what_is_already_out(world):
    world.trigger("tip")
    world.cap("daily", maximum=1)
    assert world.sent("tip", MONDAY + DAY)
    assert not world.sent("tip", MONDAY + HOUR)
    assert world.sent("tip", MONDAY)


def test_urgent_goes_before_priority_and_priority_before_score(world):
    world.cap("one", maximum=1)
    world.trigger("low", tier="low", priority=99)
    world.trigger("high", tier="high", priority=1)
    world.trigger("higher", tier="high", priority=2)
    world.trigger("urgent", tier="urgent", priority=0)
    for name in ("low", "high", "higher", "urgent"):
        world.moment(name, MONDAY)
    sent = [row["trigger_name"] for row in world.decide(MONDAY) if row["outcome"] == "send"]
    assert sent == ["urgent"]


def test_the_better_score_at_the_moment_wins_and_no_score_comes_last(world):
    world.cap("one", scope="account", maximum=1)
    world.trigger("tip")
    for user, score in (("none", None), ("some", 0.4), ("much", 0.9)):
        world.person(user, account_id="acme")
        world.moment("tip", MONDAY, user, session=user)
        for when, value in ((MONDAY, score), (MONDAY + MINUTE, 1 - (score or 0))):
            row = {"session_id": user, "scored_at": when, "score": value, "model_version": "1"}
            if score is not None:
                world.insert("intent_scores", row)
    sent = [row["user_key"] for row in world.decide(MONDAY + HOUR) if row["outcome"] == "send"]
    assert sent == ["much"]
