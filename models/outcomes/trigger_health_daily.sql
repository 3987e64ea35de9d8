with

decisions as (

    select * from {{ ref('current_decisions') }}

),

operations as (

    select * from {{ ref('sync_operations') }}
    where kind = 'moment'

),

delivered as (

    select
        decisions.trigger_name,
        cast(decisions.moment_at as date) as moment_date,
        decisions.user_key,
        decisions.outcome,
        case
            when decisions.outcome != 'send' then null
            when {{ is_acknowledged('operations.state') }} then 'accepted'
            when operations.state in ('rejected', 'invalid') then 'rejected'
            when {{ is_in_doubt('operations.state') }} then 'in_doubt'
            when operations.state in ('expired', 'suppressed') then operations.state
            else 'waiting'
        end as delivery

    from decisions
    left join operations
        on decisions.decision_id = operations.decision_id

)

select
    trigger_name,
    moment_date,
    count(*) as candidate_count,
    count(distinct user_key) as person_count,
    count(case when outcome = 'send' then 1 end) as sent_count,
    count(case when outcome = 'ghost' then 1 end) as ghost_count,
    count(case when outcome = 'deferred' then 1 end) as deferred_count,
    count(case when outcome = 'suppressed' then 1 end) as suppressed_count,
    count(case when delivery = 'accepted' then 1 end) as accepted_count,
    count(case when delivery = 'rejected' then 1 end) as rejected_count,
    count(case when delivery = 'in_doubt' then 1 end) as in_doubt_count,
    count(case when delivery = 'expired' then 1 end) as expired_count,
    count(case when delivery = 'suppressed' then 1 end) as stopped_count,
    count(case when delivery = 'waiting' then 1 end) as waiting_count

from delivered
group by trigger_name, moment_date
