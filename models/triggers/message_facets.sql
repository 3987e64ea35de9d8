{{ config(materialized="view") }}

with

messages as (

    select
        arbitration_rank,
        user_key,
        account_id,
        session_id,
        trigger_name,
        tier,
        channel,
        tags,
        time_zone,
        cast(null as {{ dbt.type_timestamp() }}) as messaged_at,
        wakes_at is not null as is_waiting,
        is_ghost,
        bypass_caps,
        counts_toward_caps

    from {{ ref('contenders') }}

    union all

    select
        null as arbitration_rank,
        past.user_key,
        past.account_id,
        past.session_id,
        past.trigger_name,
        past.tier,
        past.channel,
        past.tags,
        coalesce(zones.time_zone, '{{ var("project_time_zone") }}') as time_zone,
        past.messaged_at,
        false as is_waiting,
        past.is_ghost,
        false as bypass_caps,
        past.counts_toward_caps

    from {{ ref('past_messages') }} as past
    left join {{ ref('users') }} as people
        on past.user_key = people.user_key
    left join {{ ref('time_zones') }} as zones
        on people.time_zone = zones.time_zone

),

-- one row for each thing about a message that a limit can count by
facets as (

    select
        *,
        'all' as scope,
        '*' as facet,
        user_key as subject
    from messages
    union all
    select
        *,
        'trigger' as scope,
        trigger_name as facet,
        user_key as subject
    from messages
    union all
    select
        *,
        'tier' as scope,
        tier as facet,
        user_key as subject
    from messages
    union all
    select
        *,
        'channel' as scope,
        channel as facet,
        user_key as subject
    from messages
    union all
    select
        *,
        'tag' as scope,
        {{ each_word('tags') }} as facet,
        user_key as subject
    from messages
    union all
    select
        *,
        'session' as scope,
        '*' as facet,
        session_id as subject
    from messages
    union all
    select
        *,
        'account' as scope,
        '*' as facet,
        account_id as subject
    from messages

)

select
    arbitration_rank,
    user_key,
    scope,
    facet,
    subject,
    session_id,
    -- an account has no clock of its own
    case when scope = 'account' then '{{ var("project_time_zone") }}' else time_zone end
        as time_zone,
    messaged_at,
    messaged_at is not null as is_past,
    is_waiting,
    is_ghost,
    bypass_caps,
    counts_toward_caps

from facets
where subject is not null
