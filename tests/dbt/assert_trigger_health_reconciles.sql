-- law 6: every candidate is in exactly one column, and every message that was sent in exactly one
-- state
with

health as (

    select * from {{ ref('trigger_health_daily') }}

)

select *
from health
where
    candidate_count != sent_count + ghost_count + deferred_count + suppressed_count
    or sent_count
    != accepted_count
    + rejected_count
    + in_doubt_count
    + expired_count
    + stopped_count
    + waiting_count
