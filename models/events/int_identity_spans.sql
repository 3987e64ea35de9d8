{{ config(materialized='incremental', incremental_strategy='replace_actors') }}

-- who was known to sit at each browser or device, and from when to when. What late data took back
-- stays here, no longer current, until a run has worked through the sessions of which it was said
{% set mark = last_mark() %}
{% set is_built_upon = is_incremental() and is_configured_as(mark) %}

with

changed_actors as (

    select
        actor_id,
        min(event_at) as changed_from

    from {{ ref('int_events_checked') }}
    where
        anonymous_id is not null
        and event_at is not null
        and revision > {{ mark.revision if is_built_upon else 0 }}
    group by actor_id

),

earlier_identities as (

    {% if is_incremental() %}
        select
            actor_id,
            user_key,
            known_from,
            known_until,
            is_current,
            changed_from,
            revision

        from {{ this }}
        {% if is_built_upon %}
            where actor_id in (select changed_actors.actor_id from changed_actors)
        {% endif %}
    {% else %}
        select
            actor_id,
            actor_id as user_key,
            changed_from as known_from,
            changed_from as known_until,
            true as is_current,
            changed_from,
            cast(0 as bigint) as revision

        from changed_actors
        where false
    {% endif %}

),

sightings as (

    select
        events.actor_id,
        events.user_id as user_key,
        events.event_at as sighted_at,
        events.event_id

    from {{ ref('int_events_checked') }} as events
    inner join changed_actors
        on
            events.actor_id = changed_actors.actor_id
            and events.event_at >= changed_actors.changed_from
    where
        events.rejection_reason is null
        and events.user_id is not null
        and events.anonymous_id is not null
        and {{ since_first_change('events.event_at') if is_built_upon else 'true' }}

    union all

    -- what was known of an actor before anything changed stands
    select
        earlier_identities.actor_id,
        earlier_identities.user_key,
        earlier_identities.known_from as sighted_at,
        '' as event_id

    from earlier_identities
    inner join changed_actors
        on
            earlier_identities.actor_id = changed_actors.actor_id
            and earlier_identities.known_from < changed_actors.changed_from
    where earlier_identities.is_current and {{ is_built_upon | lower }}

),

-- of several people who are named within one instant the last one counts
ranked as (

    select
        *,
        row_number() over (
            partition by actor_id, sighted_at order by event_id desc
        ) as recency

    from sightings

),

compared as (

    select
        actor_id,
        user_key,
        sighted_at,
        lag(user_key) over (partition by actor_id order by sighted_at) as previous_user_key

    from ranked
    where recency = 1

),

-- one browser may be shared: a person counts as known until somebody else signs in
changes as (

    select
        actor_id,
        user_key,
        sighted_at as known_from

    from compared
    where previous_user_key is null or previous_user_key != user_key

),

intervals as (

    select
        actor_id,
        user_key,
        known_from,
        lead(known_from) over (partition by actor_id order by known_from) as known_until

    from changes

),

compared_with_earlier as (

    select
        intervals.actor_id,
        intervals.user_key,
        intervals.known_from,
        intervals.known_until,
        earlier.known_until as earlier_known_until,
        earlier.changed_from,
        earlier.revision,
        earlier.known_from is not null as was_known,
        coalesce(
            intervals.known_until = earlier.known_until,
            intervals.known_until is null and earlier.known_until is null
        ) as ends_as_before,
        -- a run that died had seen the change, and reworked no session for it
        coalesce(earlier.revision > {{ mark.revision }}, false) as is_due

    from intervals
    left join earlier_identities as earlier
        on
            intervals.actor_id = earlier.actor_id
            and intervals.user_key = earlier.user_key
            and intervals.known_from = earlier.known_from
            and earlier.is_current

),

withdrawn as (

    select
        earlier.*,
        earlier.revision > {{ mark.revision }} as is_due

    from earlier_identities as earlier
    left join intervals
        on
            earlier.actor_id = intervals.actor_id
            and earlier.user_key = intervals.user_key
            and earlier.known_from = intervals.known_from
            and earlier.is_current
    where intervals.actor_id is null

)

select
    actor_id,
    user_key,
    known_from,
    known_until,
    true as is_current,
    -- where only the end moved, what was said of the person before either end still holds
    case
        when not was_known then known_from
        when ends_as_before then changed_from
        else least(
            coalesce(known_until, earlier_known_until),
            coalesce(earlier_known_until, known_until),
            case when is_due then changed_from else coalesce(known_until, earlier_known_until) end
        )
    end as changed_from,
    case
        when was_known and ends_as_before then revision
        else {{ latest_revision() }}
    end as revision

from compared_with_earlier

union all

select
    actor_id,
    user_key,
    known_from,
    known_until,
    false as is_current,
    case when is_due then least(known_from, changed_from) else known_from end as changed_from,
    case when is_current then {{ latest_revision() }} else revision end as revision

from withdrawn
where is_current or is_due
