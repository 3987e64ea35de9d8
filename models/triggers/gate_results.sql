{{ config(materialized="view") }}

-- every gate is named here; each candidate has a row per gate, up to and including the one that
-- stops it
{%- set gates = [
    ref('gate_data_valid'),
    ref('gate_not_a_bot'),
    ref('gate_consent'),
    ref('gate_enabled'),
    ref('gate_freshness'),
    ref('gate_assignment'),
    ref('gate_eligibility'),
    ref('gate_cooldown'),
    ref('gate_arbitration'),
    ref('gate_caps'),
    ref('gate_quiet_hours'),
] %}

with

results as (
    {% for gate in gates %}
        select
            decision_id,
            gate_name,
            {{ loop.index }} as gate_number,
            is_passed,
            reason,
            blocked_by,
            deferred_until,
            operands

        from {{ gate }}
        {%- if not loop.last %}

            union all
        {% endif %}
    {%- endfor %}

),

stops as (

    select
        decision_id,
        min(gate_number) as gate_number

    from results
    where not is_passed
    group by decision_id

)

select
    results.decision_id,
    results.gate_number,
    results.gate_name,
    results.is_passed,
    case when not results.is_passed then results.reason end as reason,
    case when not results.is_passed then results.blocked_by end as blocked_by,
    case when not results.is_passed then results.deferred_until end as deferred_until,
    results.operands

from results
left join stops
    on results.decision_id = stops.decision_id

where results.gate_number <= coalesce(stops.gate_number, results.gate_number)
