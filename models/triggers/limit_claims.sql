with

claims as (

    select * from {{ ref('message_claims') }}

),

past as (

    select
        claims.bucket,
        count(case when not claims.is_ghost then 1 end) as past_sends,
        count(case when claims.is_ghost then 1 end) as past_ghosts,
        min(case when not claims.is_ghost then claims.messaged_at end) as oldest_send_at,
        min(claims.messaged_at) as oldest_message_at

    from claims
    where
        claims.is_past
        and claims.is_counted
        and {{ is_within_window("claims", "claims.messaged_at", as_of(), "claims.time_zone") }}
    group by claims.bucket

)

-- a ghost meets what the person really got, and the ghosts; a message meets only what was really
-- sent
select
    claims.arbitration_rank,
    claims.limit_kind,
    claims.limit_name,
    claims.window_kind,
    claims.window_seconds,
    claims.time_zone,
    claims.bucket,
    -- null where the limit cannot stop this message
    case when claims.is_stoppable then claims.maximum end as maximum,
    coalesce(
        past.past_sends + case when claims.is_ghost then past.past_ghosts else 0 end, 0
    ) as used_before,
    case when claims.is_ghost then past.oldest_message_at else past.oldest_send_at end
        as oldest_used_at,
    claims.is_ghost,
    claims.is_counted

from claims
left join past
    on claims.bucket = past.bucket

where not claims.is_past
