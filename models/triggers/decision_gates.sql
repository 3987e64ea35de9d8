{{ config(
    materialized="incremental",
    incremental_strategy="append",
    on_schema_change="append_new_columns",
    full_refresh=false,
    pre_hook="{{ forget_gates_without_decision() }}",
) }}

with

results as (

    select * from {{ ref('gate_results') }}

),

candidates as (

    select * from {{ ref('candidate_facts') }}

)

select
    results.decision_id,
    candidates.trigger_name,
    candidates.user_key,
    candidates.moment_at,
    cast({{ as_of() }} as {{ dbt.type_timestamp() }}) as decided_at,
    results.gate_number,
    results.gate_name,
    results.operands,
    results.reason,
    results.blocked_by,
    results.deferred_until,
    results.is_passed

from results
inner join candidates
    on results.decision_id = candidates.decision_id
