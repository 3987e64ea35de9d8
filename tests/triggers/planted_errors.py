"""Errors planted on purpose in deciding, one per rule, and whether the oracle sees each.

Not part of the suite: `python -m pytest -n 0 tests/triggers/planted_errors.py`, some minutes.
Each error changes one place in the compiled SQL of one model; a test of random histories must fail.
"""

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.planting import Planted, planted
from tests.triggers.test_oracle import dense_histories
from tests.triggers.world import World
from warehouse.compiled import CompiledProject

HISTORIES = 60
"""Within which an error must be seen; most are seen in the first."""


PLANTED = [
    # windows
    Planted(
        "a rolling window is half-open",
        "limit_claims",
        "/ 1000.0)) < claims.window_seconds",
        "/ 1000.0)) <= claims.window_seconds",
    ),
    Planted(
        "a rolling window looks back no further than it is long",
        "limit_claims",
        "/ 1000.0)) < claims.window_seconds",
        "/ 1000.0)) < claims.window_seconds + 3600",
    ),
    Planted(
        "a calendar day begins at midnight, and is no rolling day",
        "limit_claims",
        "claims.window_kind = 'calendar_day' and date_trunc('day', "
        "timezone(claims.time_zone, timezone('UTC', claims.messaged_at)))",
        "claims.window_kind = 'calendar_day' and date_trunc('week', "
        "timezone(claims.time_zone, timezone('UTC', claims.messaged_at)))",
    ),
    Planted(
        "a calendar day is the person's own",
        "message_claims",
        "when limits.time_zone = 'user' then facets.time_zone",
        "when limits.time_zone = 'user' and limits.window_kind = 'calendar_week' "
        "then facets.time_zone",
    ),
    Planted(
        "a calendar week is the person's own",
        "message_claims",
        "when limits.time_zone = 'user' then facets.time_zone",
        "when limits.time_zone = 'user' and limits.window_kind = 'calendar_day' "
        "then facets.time_zone",
    ),
    Planted(
        "a cap in the project's time zone is in the project's",
        "message_claims",
        "when limits.time_zone = 'user' then facets.time_zone",
        "when true then facets.time_zone",
    ),
    Planted(
        "an account has no clock of its own",
        "message_facets",
        "case when scope = 'account' then",
        "case when false then",
    ),
    Planted(
        "a calendar week begins on Monday",
        "limit_claims",
        "= date_trunc('week', timezone(claims.time_zone, timezone('UTC', {now})))",
        "= date_trunc('week', timezone(claims.time_zone, timezone('UTC', {now})) + interval 1 day)",
    ),
    Planted(
        "a day on which clocks change has no 24 hours",
        "contender_limits",
        "when window_kind = 'calendar_day' then timezone('UTC', timezone(time_zone, "
        "(date_trunc('day', timezone(time_zone, timezone('UTC', {now}))) + interval '1 day')))",
        "when window_kind = 'calendar_day' then timezone('UTC', timezone(time_zone, "
        "date_trunc('day', timezone(time_zone, timezone('UTC', {now}))))) + interval '1 day'",
    ),
    Planted(
        "a session cap counts its own session",
        "message_claims",
        "case when limits.window_kind = 'session' then facets.session_id end",
        "null",
    ),
    # scopes
    Planted(
        "an account cap counts over all its people",
        "message_facets",
        "account_id as subject",
        "user_key as subject",
    ),
    Planted(
        "a person without an account meets no cap of accounts",
        "message_facets",
        "account_id as subject",
        "coalesce(account_id, 'none') as subject",
    ),
    Planted(
        "a tag counts as it was when decided",
        "past_messages",
        "decisions.tags, decisions.decided_at as messaged_at",
        "(select s.tags from kairos.trigger_settings as s "
        "where s.trigger_name = decisions.trigger_name) as tags, "
        "decisions.decided_at as messaged_at",
    ),
    Planted(
        "a cap of a channel leaves other channels alone",
        "message_facets",
        "channel as facet",
        "'email' as facet",
    ),
    Planted(
        "a cap of a tier leaves other tiers alone",
        "message_facets",
        "tier as facet",
        "'low' as facet",
    ),
    Planted(
        "a cap on every trigger holds for each by itself",
        "message_claims",
        "limits.limit_name, facets.facet, facets.subject",
        "limits.limit_name, facets.subject",
    ),
    Planted(
        "a cap of an arm is for the people in it",
        "message_claims",
        "limits.hash_seed is null or",
        "true or",
    ),
    # what counts
    Planted(
        "a bypass is stopped by no cap",
        "message_claims",
        "or not facets.bypass_caps as is_stoppable",
        "or true as is_stoppable",
    ),
    Planted(
        "a bypass still counts, unless it is told not to",
        "message_claims",
        "(limits.limit_kind = 'cooldown' or facets.counts_toward_caps)",
        "(limits.limit_kind = 'cooldown' or facets.counts_toward_caps and not facets.bypass_caps)",
    ),
    Planted(
        "what does not count toward caps takes no place",
        "message_claims",
        "(limits.limit_kind = 'cooldown' or facets.counts_toward_caps)",
        "true",
    ),
    Planted(
        "what does not count toward caps still cools down",
        "message_claims",
        "(limits.limit_kind = 'cooldown' or facets.counts_toward_caps)",
        "facets.counts_toward_caps",
    ),
    Planted(
        "a rejection gives the place back",
        "past_messages",
        "where given_back.decision_id is null",
        "",
    ),
    Planted(
        "a delivery gives nothing back",
        "past_messages",
        "group by decision_id having min(case when is_given_back then 1 else 0 end) = 1",
        "group by decision_id",
    ),
    Planted(
        "a message that was reserved without the warehouse counts",
        "past_messages",
        "where decisions.decision_id is null and not operations.is_given_back",
        "where false",
    ),
    Planted(
        "who sleeps takes no place",
        "message_claims",
        "and not facets.is_waiting",
        "",
    ),
    # limits of a trigger
    Planted(
        "a cooldown is of the trigger alone",
        "message_limits",
        "'trigger' as scope, trigger_name as scope_value, 'rolling' as window_kind, "
        "cooldown_seconds as window_seconds",
        "'all' as scope, '*' as scope_value, 'rolling' as window_kind, "
        "cooldown_seconds as window_seconds",
    ),
    Planted(
        "a cooldown holds also for what bypasses caps",
        "message_claims",
        "limits.limit_kind = 'cooldown' or not facets.bypass_caps as is_stoppable",
        "not facets.bypass_caps as is_stoppable",
    ),
    Planted(
        "without a time for it, nobody is eligible again",
        "message_limits",
        "where coalesce(re_eligible_after_seconds, 1) > 0",
        "where re_eligible_after_seconds > 0",
    ),
    # order
    Planted(
        "urgent goes first",
        "contenders",
        "order by tier_rank asc, priority desc",
        "order by priority desc",
    ),
    Planted(
        "priority goes before the score",
        "contenders",
        "priority desc, score desc nulls last",
        "score desc nulls last",
    ),
    Planted(
        "the better score goes first",
        "contenders",
        "score desc nulls last,",
        "",
    ),
    Planted(
        "no score comes last",
        "contenders",
        "score desc nulls last",
        "score desc nulls first",
    ),
    Planted(
        "the earlier moment goes first",
        "contenders",
        "moment_at asc,",
        "moment_at desc,",
    ),
    Planted(
        "the score is that of the moment",
        "candidate_scores",
        "and candidates.moment_at >= scores.scored_at",
        "",
    ),
    Planted(
        "whoever is stopped takes no place from those behind",
        "limit_verdicts",
        "admissions.is_admitted and disputed.is_counted as is_taking",
        "disputed.is_counted as is_taking",
    ),
    Planted(
        "a place in dispute is given out once",
        "disputed_claims",
        ">= min(room)",
        "> min(room)",
    ),
    # ghosts
    Planted(
        "a ghost meets the ghosts before it",
        "limit_claims",
        "case when claims.is_ghost then past.past_ghosts else 0 end",
        "0",
    ),
    Planted(
        "a message meets no ghosts",
        "limit_claims",
        "case when claims.is_ghost then past.past_ghosts else 0 end",
        "past.past_ghosts",
    ),
    Planted(
        "a control stays one",
        "candidate_assignments",
        "case when first_arms.arm is not null then first_arms.arm = arms.arm",
        "case when false then first_arms.arm = arms.arm",
    ),
    Planted(
        "a holdout is a ghost too",
        "candidate_assignments",
        "held_out.holdout is not null or coalesce(arms.is_control, false) as is_ghost",
        "coalesce(arms.is_control, false) as is_ghost",
    ),
    Planted(
        "an exempt tag is held out of nothing",
        "candidate_assignments",
        "not like '%|' || coalesce(holdouts.exempt_tag, '~') || '|%'",
        "is not null",
    ),
    Planted(
        "two ids with one address are held out together",
        "candidate_facts",
        "coalesce(people.email_hash, candidates.user_key) as address",
        "candidates.user_key as address",
    ),
    # time
    Planted(
        "quiet hours are over at their very end",
        "quiet_hours_now",
        "or clocks_read.wall_second < quiet_hours.ends_second",
        "or clocks_read.wall_second <= quiet_hours.ends_second",
    ),
    Planted(
        "quiet hours begin at their very start",
        "quiet_hours_now",
        "else clocks_read.wall_second >= quiet_hours.starts_second",
        "else clocks_read.wall_second > quiet_hours.starts_second",
    ),
    Planted(
        "it is night where the person is",
        "quiet_hours_now",
        "tier, timezone(time_zone, timezone('UTC', {now})) as wall_clock_at",
        "tier, {now} as wall_clock_at",
    ),
    Planted(
        "quiet hours are of a tier",
        "quiet_hours_now",
        "and quiet_hours.tier in ('*', clocks_read.tier)",
        "",
    ),
    Planted(
        "what would expire in its sleep is dropped",
        "gate_quiet_hours",
        "case when wakes_at < coalesce(expires_at, "
        "(wakes_at + to_milliseconds(cast(round((1) * 1000.0) as bigint)))) then wakes_at end",
        "wakes_at",
    ),
    Planted(
        "what would expire before there is room is dropped",
        "contender_limits",
        "coalesce(summed.frees_at < contenders.expires_at, contenders.expires_at is null)",
        "true",
    ),
    Planted(
        "room that comes at the very end comes too late",
        "contender_limits",
        "coalesce(summed.frees_at < contenders.expires_at,",
        "coalesce(summed.frees_at <= contenders.expires_at,",
    ),
    Planted(
        "room comes when the oldest leaves the window",
        "limit_claims",
        "min(case when not claims.is_ghost then claims.messaged_at end)",
        "max(case when not claims.is_ghost then claims.messaged_at end)",
    ),
    Planted(
        "all limits must have room before it wakes",
        "contender_limits",
        "max(frees_at) as frees_at",
        "min(frees_at) as frees_at",
    ),
    Planted(
        "what waits wakes at the very instant",
        "candidates_due",
        "latest_decisions.deferred_until <= {now}",
        "latest_decisions.deferred_until < {now}",
    ),
    Planted(
        "what wakes is arbitrated by its moment and not by its waking",
        "candidates_due",
        "latest_decisions.moment_at, candidates.evidence",
        "latest_decisions.deferred_until as moment_at, candidates.evidence",
    ),
    Planted(
        "what expires at this instant is too late",
        "gate_freshness",
        "coalesce(expires_at <= {now}, false) as is_expired",
        "coalesce(expires_at < {now}, false) as is_expired",
    ),
    Planted(
        "what is due at this instant goes",
        "gate_freshness",
        "coalesce(due_at > {now}, false) as is_early",
        "coalesce(due_at >= {now}, false) as is_early",
    ),
    Planted(
        "the expiry counts from when it is due",
        "candidate_facts",
        "settings.delay_seconds + settings.expiry_seconds",
        "settings.expiry_seconds",
    ),
    # who and what
    Planted(
        "an exit event cancels at the instant of the moment too",
        "gate_eligibility",
        "and exits.moment_at <= events.event_at",
        "and exits.moment_at < events.event_at",
    ),
    Planted(
        "an exit event before the moment cancels nothing",
        "gate_eligibility",
        "and exits.moment_at <= events.event_at",
        "",
    ),
    Planted(
        "an exit event is one of those that are named",
        "gate_eligibility",
        "and exits.event_name = events.event_name",
        "",
    ),
    Planted(
        "what is decided knows nothing of what happens later",
        "gate_eligibility",
        "and events.event_at <= {now}",
        "",
    ),
    Planted(
        "a moment that was taken back is not sent",
        "gate_eligibility",
        "and not candidates.is_retracted as is_passed",
        "as is_passed",
    ),
    Planted(
        "one moment in two tabs is one message",
        "trigger_candidates",
        "where duplicate_number = 1",
        "",
    ),
    Planted(
        "of two tabs it is always the same one",
        "trigger_candidates",
        "order by session_id nulls last, evidence nulls last",
        "order by session_id desc nulls last",
    ),
    Planted(
        "a disabled trigger sends nothing",
        "gate_enabled",
        "coalesce(is_enabled, false) as is_passed",
        "true as is_passed",
    ),
    Planted(
        "somebody unknown is sent nothing",
        "gate_data_valid",
        "when known_people.user_key is null then 'unknown_person'",
        "when false then 'unknown_person'",
    ),
    Planted(
        "evidence of a bot is not written back",
        "gate_not_a_bot",
        "and candidates.moment_at >= evidence.bot_from_at",
        "",
    ),
    Planted(
        "evidence of a bot that holds no longer does not count",
        "gate_not_a_bot",
        "candidates.moment_at < evidence.bot_until_at",
        "candidates.moment_at <= evidence.bot_until_at",
    ),
    Planted(
        "a refusal of one channel is respected",
        "gate_consent",
        "or channel_consent = 'false'",
        "",
    ),
    Planted(
        "a refusal of everything is respected",
        "gate_consent",
        "messages_consent = 'false' or",
        "",
    ),
    Planted(
        "a suppression begins when it says",
        "gate_consent",
        "where suppressed_from <= {now}",
        "",
    ),
    Planted(
        "a suppression is of a channel",
        "gate_consent",
        "and suppressions.channel in ('*', candidates.channel)",
        "",
    ),
]


UNSEEN = {
    "a day on which clocks change has no 24 hours",
    "quiet hours are over at their very end",
    "room comes when the oldest leaves the window",
}
"""Rules that the histories do not reach often enough."""


def as_cases() -> list:
    unseen = pytest.mark.xfail(reason="no history reaches it yet", strict=True)
    return [
        pytest.param(error, id=error.rule, marks=[unseen] if error.rule in UNSEEN else [])
        for error in PLANTED
    ]


@pytest.mark.parametrize("error", as_cases())
def test_the_oracle_sees(project, error):
    with pytest.raises(AssertionError):
        decide_many(planted(project, error), HISTORIES)


def decide_many(project: CompiledProject, histories: int) -> None:
    @seed(1)
    @settings(
        max_examples=histories,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(history=dense_histories())
    def decide(history):
        history.happen(World(project))

    decide()
