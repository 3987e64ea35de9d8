-- the sessions that this run works through again, by the ids they have and the ids they had: all
-- at first and when the configuration changed, else those that something since the last run affects
{{ after('identities') }}
{{ after('int_identity_spans') }}
{{ after('user_segments') }}
{% set mark = last_mark() %}
{% if is_narrowed(earlier_state('session_events')) %}

    -- each part reads for itself, so that the engine can skip what that part does not need
    with

    affected as (

        -- its events changed
        select session_id
        from {{ ref('int_session_spans') }}
        where revision > {{ mark.revision }}

        union

        -- who it was became known, or changed
        select spans.session_id
        from {{ ref('int_session_spans') }} as spans
        inner join {{ ref('int_identity_spans') }} as identity_spans
            on
                spans.actor_id = identity_spans.actor_id
                and spans.ended_at >= identity_spans.changed_from
        where spans.is_current and identity_spans.revision > {{ mark.revision }}

        union

        -- a person in it was put into another segment, whose thresholds may differ
        select spans.session_id
        from {{ ref('user_segments') }} as user_segments
        inner join {{ ref('identities') }} as identities
            on user_segments.user_key = identities.user_key
        inner join {{ ref('int_session_spans') }} as spans
            on
                identities.actor_id = spans.actor_id
                and spans.ended_at >= user_segments.effective_from
        where spans.is_current and user_segments.mark_number > {{ mark.mark_number }}

        union

        select spans.session_id
        from {{ ref('user_segments') }} as user_segments
        inner join {{ ref('int_session_spans') }} as spans
            on
                user_segments.user_key = spans.actor_id
                and spans.ended_at >= user_segments.effective_from
        where spans.is_current and user_segments.mark_number > {{ mark.mark_number }}

        union

        -- time went on: a silence in it may have become a signal
        select session_id
        from {{ ref('int_session_spans') }}
        where
            is_current
            and {{ mark.as_of }} < {{ as_of() }}
            and ended_at >= {{ add_seconds(mark.as_of, -var('longest_timer_seconds')) }}

    ),

    -- what begins before the limit of a session goes on beyond it: the sessions of an island that
    -- has several are judged together
    parts as (

        select
            session_id,
            island_id

        from {{ ref('int_session_spans') }}
        where
            is_current
            and (started_at > island_started_at or ended_at < island_ended_at)

    ),

    affected_with_parts as (

        select session_id from affected

        union

        select others.session_id
        from affected
        inner join parts on affected.session_id = parts.session_id
        inner join parts as others on parts.island_id = others.island_id

    )

    select
        session_id,
        started_at,
        island_ended_at,
        case when revision > {{ mark.revision }} then known_from else started_at end as known_from,
        case when revision > {{ mark.revision }} then known_until else island_ended_at end
            as known_until

    from {{ ref('int_session_spans') }}
    where session_id in (select affected_with_parts.session_id from affected_with_parts)

{% else %}

    select
        session_id,
        started_at,
        island_ended_at,
        coalesce(known_from, started_at) as known_from,
        -- timers may have been longer under another configuration
        timestamp '9999-12-31 00:00:00' as known_until

    from {{ ref('int_session_spans') }}

{% endif %}
