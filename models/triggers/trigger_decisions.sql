{{ config(
    materialized="incremental",
    incremental_strategy="append",
    on_schema_change="append_new_columns",
    full_refresh=false,
) }}

with

candidates as (

    select * from {{ ref('candidate_facts') }}

),

assignments as (

    select * from {{ ref('candidate_assignments') }}

),

stops as (

    select * from {{ ref('decision_gates') }}
    where decided_at = {{ as_of() }} and not is_passed

)

select
    candidates.decision_id,
    candidates.trigger_name,
    candidates.user_key,
    candidates.session_id,
    candidates.account_id,
    candidates.moment_at,
    cast({{ as_of() }} as {{ dbt.type_timestamp() }}) as decided_at,
    case
        when stops.deferred_until is not null then 'deferred'
        when stops.decision_id is not null then 'suppressed'
        when assignments.is_ghost then 'ghost'
        else 'send'
    end as outcome,
    coalesce(
        stops.reason,
        case
            when assignments.holdout is not null then 'holdout'
            when assignments.is_ghost then 'control'
            else 'passed'
        end
    ) as reason,
    stops.blocked_by,
    stops.deferred_until,
    candidates.tier,
    candidates.priority,
    candidates.score,
    candidates.channel,
    candidates.tags,
    assignments.holdout,
    assignments.experiment,
    assignments.arm,
    candidates.destination,
    candidates.content_key,
    candidates.expires_at,
    candidates.config_version,
    coalesce(candidates.bypass_caps, false) as bypass_caps,
    coalesce(candidates.counts_toward_caps, true) as counts_toward_caps

from candidates
left join assignments
    on candidates.decision_id = assignments.decision_id
left join stops
    on candidates.decision_id = stops.decision_id
