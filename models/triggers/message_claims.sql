{{ config(materialized="view") }}

with

facets as (

    select * from {{ ref('message_facets') }}

),

limits as (

    select * from {{ ref('message_limits') }}

)

-- one row per message and limit that it falls under; the bucket is what the limit counts
select
    facets.arbitration_rank,
    limits.limit_kind,
    limits.limit_name,
    limits.window_kind,
    limits.window_seconds,
    case
        when limits.time_zone = 'user' then facets.time_zone else '{{ var("project_time_zone") }}'
    end as time_zone,
    limits.maximum,
    {{ hash_number([
        "limits.limit_kind",
        "limits.limit_name",
        "facets.facet",
        "facets.subject",
        "case when limits.window_kind = 'session' then facets.session_id end",
    ]) }} as bucket,
    facets.messaged_at,
    facets.is_past,
    facets.is_ghost,
    -- two independent flags: some messages no cap can stop, and some that caps do not count
    limits.limit_kind = 'cooldown' or not facets.bypass_caps as is_stoppable,
    (limits.limit_kind = 'cooldown' or facets.counts_toward_caps) and not facets.is_waiting
        as is_counted

from facets
inner join limits
    on
        facets.scope = limits.scope
        and facets.facet = limits.facet

where
    (limits.window_kind != 'session' or facets.session_id is not null)
    and {{ is_in_arm('limits', 'facets.user_key') }} -- noqa: PRS
