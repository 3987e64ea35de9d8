-- a decision whose gates say something else, or nothing, cannot be explained
with

gates as (

    select
        decision_id,
        decided_at,
        count(*) as gate_count,
        max(gate_number) as last_gate_number,
        sum(case when is_passed then 0 else 1 end) as failed_count,
        max(deferred_until) as deferred_until

    from {{ ref('decision_gates') }}
    group by decision_id, decided_at

),

decisions as (

    select * from {{ ref('trigger_decisions') }}

)

select
    decisions.decision_id,
    decisions.outcome,
    gates.failed_count

from decisions
left join gates
    on
        decisions.decision_id = gates.decision_id
        and decisions.decided_at = gates.decided_at

where
    gates.decision_id is null
    or gates.gate_count != gates.last_gate_number
    or case
        when decisions.outcome in ('send', 'ghost') then gates.failed_count != 0
        else gates.failed_count != 1
    end
    or (decisions.outcome = 'deferred') != (gates.deferred_until is not null)
