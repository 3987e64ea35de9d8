-- law 5: once a candidate was sent, ghosted or suppressed, nothing may be decided about it again
select
    decision_id,
    sum(case when outcome != 'deferred' then 1 else 0 end) as end_count

from {{ ref('trigger_decisions') }}
group by decision_id
having sum(case when outcome != 'deferred' then 1 else 0 end) > 1
