"""Errors planted on purpose in the signals, one per rule, and whether the oracles see each.

Not part of the suite: `python -m pytest -n 0 tests/signals/planted_errors.py`, some minutes.
"""

import pytest

from tests.harness import Line
from tests.planting import Planted, planted
from tests.signals.test_oracles import SEEDS, compare
from warehouse.compiled import CompiledProject

ERRORS: dict[str, list[tuple[str, str, str]]] = {
    "session_events": [
        (
            "what leaves a page in the instant of the next one left the one before",
            "when measured.event_name = 'page_leave'",
            "when false",
        ),
        (
            "two page views of one instant are two",
            "when measured.event_name = 'page_view' then",
            "when false then",
        ),
        (
            "a tracker's own word of the page view goes first",
            "coalesce( measured.own_page_view_id,",
            "coalesce(",
        ),
        (
            "the window counts as seen",
            "greatest(measured.scroll_offset_px, 0) + measured.viewport_height_px",
            "greatest(measured.scroll_offset_px, 0)",
        ),
    ],
    "signals": [
        (
            "whoever signs in before a timer falls due is known by then",
            "then coalesce(identities.user_key, occurrences.user_key)",
            "then occurrences.user_key",
        ),
        (
            "whoever signs in later is not known yet",
            "and occurrences.detected_at >= identities.known_from",
            "",
        ),
    ],
    "int_page_view_spans": [
        (
            "a page is still open beyond the limit of a session",
            "where place_from_end = 1",
            "where false",
        ),
    ],
    "int_page_exits": [
        (
            "a page that was left before the limit is not left again",
            "where not page_view_spans.is_carried or",
            "where true or",
        ),
        (
            "a page is left when it says so",
            "and event_name = 'page_leave'",
            "and event_name = 'page_hidden'",
        ),
        (
            "a page is left by the next one, too",
            "where is_said or next_viewed_at is not null",
            "where is_said",
        ),
        (
            "a leave told after the next page came is too late",
            "coalesce(leave_events.event_at <= page_view_spans.next_viewed_at, true)",
            "true",
        ),
    ],
    "int_silences": [
        (
            "a hidden tab is absence",
            "category in ('visibility', 'unknown')",
            "category in ('unknown')",
        ),
        (
            "what nobody knows may be a person's doing, and ends a silence",
            "category in ('visibility', 'unknown')",
            "category in ('visibility')",
        ),
        ("a video is no silence", "and followed.playing_count = 0", ""),
        (
            "a video plays on when its session reaches its limit",
            "sum(counted_media.media_change) over ( partition by breaking_events.island_id",
            "sum(counted_media.media_change) over ( partition by breaking_events.session_id",
        ),
        (
            "a video that was never seen to start stops no other",
            "balance < 0 and balance < coalesce(min(balance) over earlier, 0)",
            "false",
        ),
        (
            "a video that was seen to start may stop, whatever stopped before",
            "balance < 0 and balance < coalesce(min(balance) over earlier, 0)",
            "balance < 0",
        ),
        (
            "what ends a silence may lie beyond the limit of the session",
            "window timeline as ( partition by breaking_events.island_id",
            "window timeline as ( partition by breaking_events.session_id",
        ),
        (
            "what hides a page comes after what was done on it",
            "when 'page_hidden' then 2",
            "when 'page_hidden' then 1",
        ),
        ("the next page comes last of its instant", "when 'page_view' then 3", "when '' then 3"),
        ("only keys and no pointer are keys alone", "and progress.pointer_count = 0", ""),
    ],
    "int_signals_session_pause": [
        (
            "a silence of exactly the threshold is a pause",
            "or silences.ended_at >=",
            "or silences.ended_at >",
        ),
        (
            "what exactly reaches the escalation does not escalate",
            "or pauses.ended_at > pauses.escalates_after",
            "or pauses.ended_at >= pauses.escalates_after",
        ),
        (
            "a heartbeat at the escalation proves nothing",
            "pauses.session_id = heartbeats.session_id "
            "and pauses.escalates_after < heartbeats.event_at",
            "pauses.session_id = heartbeats.session_id "
            "and pauses.escalates_after <= heartbeats.event_at",
        ),
        (
            "a heartbeat after the silence proves nothing",
            "and (pauses.ended_at >= heartbeats.event_at or pauses.ended_at is null) union all",
            "union all",
        ),
        (
            "a heartbeat beyond the limit vouches for the silence that was open then",
            "where pauses.is_last_of_session",
            "where false",
        ),
        ("a silence that lasts is a pause", "silences.ended_at is null or", ""),
        (
            "a pause is true at once, not when it ends",
            "pauses.paused_at as detected_at",
            "coalesce(pauses.ended_at, pauses.paused_at) as detected_at",
        ),
        (
            "an escalated pause has the stronger threshold",
            "case when is_escalated then escalation else threshold end as threshold",
            "threshold",
        ),
    ],
    "int_signals_shallow_scroll": [
        (
            "what was seen before the limit of a session was seen",
            "page_exits.island_id = session_events.island_id",
            "page_exits.session_id = session_events.session_id",
        ),
        (
            "exactly the threshold is not shallow",
            "or seen_pct < threshold",
            "or seen_pct <= threshold",
        ),
        (
            "exactly the escalation does not escalate",
            "coalesce(seen_pct < escalation, false) as is_escalated",
            "coalesce(seen_pct <= escalation, false) as is_escalated",
        ),
        (
            "a page of exactly two and a half windows is short",
            "page_length_ratio <= 2.5",
            "page_length_ratio < 2.5",
        ),
        (
            "what is told after the page was left is too late",
            "and page_exits.left_at >= session_events.event_at",
            "",
        ),
        (
            "what is told as the page is left counts",
            "and page_exits.left_at >= session_events.event_at",
            "and page_exits.left_at > session_events.event_at",
        ),
        (
            "what was seen of another page does not count",
            "and page_exits.page_view_id = session_events.page_view_id",
            "",
        ),
        (
            "of keys alone no depth is known",
            "when progress.keyboard_count > 0 and progress.pointer_count = 0 then 'keyboard_only'",
            "",
        ),
        (
            "of somebody with a pointer, too, depth is known",
            "progress.keyboard_count > 0 and progress.pointer_count = 0",
            "progress.keyboard_count > 0",
        ),
        (
            "unknown is not zero",
            "when pages_left.seen_pct is null then 'no_scroll_instrumentation'",
            "when false then ''",
        ),
        (
            "the deepest point counts",
            "max(session_events.seen_pct) as seen_pct",
            "min(session_events.seen_pct) as seen_pct",
        ),
        (
            "an escalated page has the stronger threshold",
            "and seen_pct < escalation then escalation",
            "and false then escalation",
        ),
        (
            "a page is named by its own page_view",
            "min(case when session_events.event_name = 'page_view' "
            "then session_events.page_url end),",
            "",
        ),
    ],
    "int_signals_cta_failure": [
        (
            "a second after the last failure is another attempt",
            ">= 1 ) ), judged",
            "> 1 ) ), judged",
        ),
        (
            "a burst is one attempt",
            "or ((epoch_ms(event_at) - epoch_ms(previous_failure_at)) / 1000.0) >= 1",
            "or true",
        ),
        (
            "the threshold is enough",
            "where attempt_number >= threshold",
            "where attempt_number > threshold",
        ),
        (
            "a series is told of once",
            "where occurrence_number = 1",
            "where true",
        ),
        (
            "a click that works begins anew",
            "sum(case when event_name = 'cta_click' then 1 else 0 end) over so_far as click_count",
            "cast(0 as bigint) as click_count",
        ),
        (
            "a click rate is what it may at most be",
            "+ 1.9208 + 1.96 * sqrt(",
            "+ 1.9208 + 0 * sqrt(",
        ),
        (
            "of keys alone no click rate is known",
            "not coalesce((progress.keyboard_count > 0 and progress.pointer_count = 0), false) and",
            "",
        ),
        (
            "each call to action counts by itself",
            "sum(case when event_name = 'cta_impression' then 1 else 0 end) over so_far",
            "sum(case when event_name = 'cta_impression' then 1 else 0 end) "
            "over (partition by session_id order by event_at, event_id)",
        ),
    ],
    "int_signals_milestone_reached": [
        (
            "what is said at the very instant is known",
            "milestones.event_at >= user_sign_ups.effective_from",
            "milestones.event_at > user_sign_ups.effective_from",
        ),
        (
            "what is said later is not known yet",
            "milestones.event_at >= user_sign_ups.effective_from",
            "milestones.event_at >= user_sign_ups.effective_from - interval 1 hour",
        ),
        (
            "a statement holds until the next one",
            "milestones.event_at < user_sign_ups.effective_until",
            "milestones.event_at <= user_sign_ups.effective_until",
        ),
        (
            "what was said goes before what was seen",
            "coalesce(user_sign_ups.signed_up_at, sign_ups.signed_up_at)",
            "coalesce(sign_ups.signed_up_at, user_sign_ups.signed_up_at)",
        ),
        (
            "what was seen counts where nothing was said",
            "coalesce(user_sign_ups.signed_up_at, sign_ups.signed_up_at)",
            "user_sign_ups.signed_up_at",
        ),
        (
            "the first sign-up counts",
            "min(event_at) as signed_up_at",
            "max(event_at) as signed_up_at",
        ),
        (
            "a sign-up at the very instant is no time ago",
            "when signed_up_at <= event_at then",
            "when signed_up_at < event_at then",
        ),
        (
            "a sign-up that lies ahead is none",
            "when signed_up_at <= event_at then",
            "when true then",
        ),
        (
            "a milestone is a row of the catalog that says so",
            "where event_catalog.is_milestone",
            "where event_catalog.is_milestone or event_catalog.event_name = 'sign_up'",
        ),
        (
            "a person is not whoever did it",
            "left join sign_ups on milestones.user_key = sign_ups.user_key",
            "left join sign_ups on milestones.actor_id = sign_ups.user_key",
        ),
    ],
    "user_sign_ups": [
        (
            "of two statements of one instant the later to arrive counts",
            "order by loaded_at desc",
            "order by loaded_at",
        ),
    ],
    "int_signals_hover_dwell": [
        (
            "exactly the threshold is long",
            "occurrences.dwell_seconds >= thresholds.threshold",
            "occurrences.dwell_seconds > thresholds.threshold",
        ),
        (
            "a click as the hover begins is within it",
            "and hovers.dwell_seconds >= ((epoch_ms(",
            "and hovers.dwell_seconds > ((epoch_ms(",
        ),
        (
            "a click as the hover ends is within it",
            "and hovers.event_at >= clicks.event_at",
            "and hovers.event_at > clicks.event_at",
        ),
        (
            "a click after the hover is none within it",
            "and hovers.event_at >= clicks.event_at",
            "",
        ),
        (
            "a click on another element is none on this one",
            "and hovers.element_id = clicks.element_id",
            "",
        ),
        (
            "a click within the hover may lie before the limit of the session",
            "hovers.island_id = clicks.island_id",
            "hovers.session_id = clicks.session_id",
        ),
        ("a hover that was clicked is none", "where clicked.event_id is null", "where true"),
        (
            "a finger does not hover",
            "case when hovers.is_touch then 'touch_only' end as not_applicable_reason",
            "cast(null as varchar) as not_applicable_reason",
        ),
        (
            "of keys alone no hover is seen",
            "when is_keyboard_only then 'keyboard_only' when is_touch",
            "when is_touch",
        ),
        (
            "it is told once, at the first page left",
            "first_exits.exit_number = 1 and",
            "first_exits.exit_number <= 2 and",
        ),
        (
            "a pointer that moves could have told of a hover",
            "and (first_exits.pointer_move_count = 0 or first_exits.is_touch)",
            "",
        ),
        (
            "a hover of before tells that hovers are told of",
            "and (first_hovers.hovered_at > first_exits.event_at "
            "or first_hovers.hovered_at is null)",
            "",
        ),
        (
            "a hover of later does not",
            "(first_hovers.hovered_at > first_exits.event_at or first_hovers.hovered_at is null)",
            "first_hovers.hovered_at is null",
        ),
    ],
    "int_signals_rage_click": [
        (
            "a second between two clicks is no burst",
            "((epoch_ms(event_at) - epoch_ms(previous_at)) / 1000.0) < 1",
            "((epoch_ms(event_at) - epoch_ms(previous_at)) / 1000.0) <= 1",
        ),
        ("thirty pixels are far", "* viewport_scale < 30", "* viewport_scale <= 30"),
        ("zoomed in, a hand moves further", "* viewport_scale < 30", "< 30"),
        (
            "zooming is many clicks",
            "and viewport_scale = previous_scale",
            "",
        ),
        (
            "another page is another spot",
            "and coalesce(page_view_id = previous_page_view_id, true)",
            "",
        ),
        (
            "a page that scrolls answers",
            "and coalesce(disturbed_at < previous_at, true)",
            "",
        ),
        (
            "what scrolls with the first click came before it",
            "and coalesce(disturbed_at < previous_at, true)",
            "and coalesce(disturbed_at <= previous_at, true)",
        ),
        (
            "the threshold is enough",
            "occurrences.click_number >= thresholds.threshold",
            "occurrences.click_number > thresholds.threshold",
        ),
    ],
    "int_signals_dead_click": [
        (
            "an answer beyond the limit of the session is one",
            "partition by island_id order by event_at desc",
            "partition by session_id order by event_at desc",
        ),
        (
            "an answer when the time is up is too late",
            "(answered_at >= due_at or answered_at is null)",
            "(answered_at > due_at or answered_at is null)",
        ),
        ("a gesture after a reflex is none of it", ">= 0.1 or", "> 0.1 or"),
        (
            "a change told when the time is up tells that changes are told of",
            "or first_dom_change_at > due_at",
            "or first_dom_change_at >= due_at",
        ),
        (
            "a tracker that tells of no change cannot tell that there was none",
            "when first_dom_change_at is null or first_dom_change_at > due_at then "
            "'no_page_activity_instrumentation'",
            "",
        ),
        (
            "of keys alone it cannot be judged",
            "when is_keyboard_only then 'keyboard_only'",
            "when false then ''",
        ),
        (
            "that it cannot be judged is said once",
            "or occurrence_number = 1",
            "or true",
        ),
    ],
    "int_signals_rapid_backtrack": [
        (
            "exactly the threshold is slow",
            "returns.dwell_seconds < thresholds.threshold",
            "returns.dwell_seconds <= thresholds.threshold",
        ),
        ("the second time is a habit", "return_number >= coalesce", "return_number > coalesce"),
        ("once is none", "return_number >= coalesce(minimum_count, 1)", "true"),
        (
            "whoever does something is not lost",
            "and pages.left_page_deed_count = 0",
            "",
        ),
        (
            "keys are for the page where a pointer is at hand",
            "(returns.is_keyboard_only or returns.left_page_key_count = 0)",
            "true",
        ),
        ("a reload is no return", "and pages.page_url != pages.left_page_url", ""),
        ("onward is no return", "pages.page_url = pages.page_before_url and", ""),
        ("a repeated page_view is no page", "where opening_number = 1", ""),
    ],
    "int_signals_skip_reenter_pause": [
        (
            "a silence of exactly the threshold is a pause",
            "or silences.ended_at >=",
            "or silences.ended_at >",
        ),
        ("a silence that lasts is a pause", "silences.ended_at is null or", ""),
        (
            "a pause on another page is none here",
            "and reentries.page_view_id = silences.page_view_id",
            "",
        ),
        ("whoever says 'not now' has passed", "previous_skip_count > 0 or", ""),
        ("whoever clicks has not passed", "and previous_click_count = 0", ""),
        (
            "a click that fails is a click",
            "event_name in ('cta_click', 'cta_click_failed')",
            "event_name in ('cta_click')",
        ),
        ("who has seen nothing has passed nothing", "previous_impression_count > 0 and", ""),
        (
            "what was passed over on another page was passed over there",
            "window timeline as (partition by session_id, page_url order by event_at, event_id)",
            "window timeline as (partition by session_id order by event_at, event_id)",
        ),
        ("the first pause counts", "pause_number = 1 and", "pause_number <= 2 and"),
        ("a repeated page_view is no return", "and opening_number = 1", ""),
        (
            "of keys alone it cannot be judged",
            "when is_keyboard_only then 'keyboard_only'",
            "when false then ''",
        ),
        (
            "a tracker that has told of a call to action could have told of another",
            "or coalesce(told_at > paused_at, true)",
            "or true",
        ),
        (
            "a tracker that tells of one later had not by then",
            "coalesce(told_at > paused_at, true)",
            "told_at is null",
        ),
    ],
    "int_signals_help_linger": [
        (
            "what takes a tip away may lie beyond the limit of the session",
            "partition by island_id",
            "partition by session_id",
        ),
        (
            "exactly the threshold is long",
            "(ended_at >= due_at or ended_at is null)",
            "(ended_at > due_at or ended_at is null)",
        ),
        ("a tip that stays is long in view", "or ended_at is null", ""),
        ("scrolling ends it", "category in ('navigation', 'scroll',", "category in ('navigation',"),
        ("a hidden tab ends it", "'scroll', 'visibility')", "'scroll')"),
        (
            "of keys alone it cannot be judged",
            "when (progress.keyboard_count > 0 and progress.pointer_count = 0) "
            "then 'keyboard_only'",
            "when false then ''",
        ),
        (
            "a tracker that measures no page cannot tell",
            "when progress.longest_page_ratio is null and progress.deepest_seen_pct is null "
            "then 'no_scroll_instrumentation'",
            "",
        ),
    ],
    "int_signals_form_abandoned": [
        (
            "sent when the time is up is too late",
            "or (submitted_at = abandoned_at and abandoned_at = due_at)",
            "",
        ),
        (
            "sent as the page is left is sent",
            "submitted_at > abandoned_at",
            "submitted_at >= abandoned_at",
        ),
        (
            "a page that was left before does not end it",
            "and attempts.event_at <= page_exits.left_at",
            "",
        ),
        (
            "a field touched again is no further attempt",
            "where attempts.start_number = 1",
            "where true",
        ),
        (
            "another page is another attempt",
            "partition by island_id, form_id, page_view_id, submit_count",
            "partition by island_id, form_id, submit_count",
        ),
        (
            "what is sent begins anew",
            "partition by island_id, form_id, page_view_id, submit_count",
            "partition by island_id, form_id, page_view_id",
        ),
        (
            "another form sent is not this one",
            "min(case when is_submitted then event_at end) over ( partition by island_id, form_id",
            "min(case when is_submitted then event_at end) over ( partition by island_id",
        ),
        (
            "a field touched again beyond the limit of the session is no further attempt",
            "partition by island_id, form_id, page_view_id, submit_count",
            "partition by session_id, form_id, page_view_id, submit_count",
        ),
        (
            "a page that is left beyond the limit of the session is left",
            "attempts.island_id = page_exits.island_id",
            "attempts.session_id = page_exits.session_id",
        ),
    ],
    "int_signals_setup_abandoned": [
        (
            "finished when the time is up is too late",
            "(completed_at >= due_at or completed_at is null)",
            "(completed_at > due_at or completed_at is null)",
        ),
        (
            "begun again when the time is up is anew",
            "/ 1000.0) >= threshold",
            "/ 1000.0) > threshold",
        ),
        (
            "the person may finish it elsewhere",
            "'user|' || user_key as trace_key",
            "'user|' || event_id as trace_key",
        ),
        (
            "the browser may finish it unnamed",
            "'actor|' || actor_id as trace_key",
            "'actor|' || event_id as trace_key",
        ),
        (
            "what was finished is not resumed",
            "when previous_completed_at >= previous_started_at then null",
            "when false then null",
        ),
        ("whoever begins again carries on", "resumed_from_at is null or", "true or"),
    ],
}

UNSEEN: set[str] = set()
"""Rules that the lives do not reach."""


def as_cases() -> list:
    unseen = pytest.mark.xfail(reason="no life reaches it", strict=True)
    return [
        pytest.param(
            Planted(rule, model, old, new),
            id=f"{model}: {rule}",
            marks=[unseen] if rule in UNSEEN else [],
        )
        for model, errors in ERRORS.items()
        for rule, old, new in errors
    ]


@pytest.mark.parametrize("error", as_cases())
def test_an_oracle_sees(project: CompiledProject, error: Planted) -> None:
    line = Line(planted(project, error), ["signals"])
    with pytest.raises(AssertionError):
        for seed in SEEDS:
            compare(line, seed)
