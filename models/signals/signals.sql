{{ config(materialized='view') }}

with

occurrences as (

    select * from {{ ref('int_signals_unioned') }}

)

select
    -- who
    {{ hash_id([
        'signal_name', 'actor_id', 'subject_id', "case when is_escalated then 1 else 0 end",
    ]) }} as signal_id,
    session_id,
    actor_id,
    user_key,

    -- what
    signal_name,
    detected_at,
    page_url,

    -- how much
    cast(value as double) as value,
    cast(threshold as double) as threshold,
    cast(threshold_version as {{ dbt.type_string() }}) as threshold_version,

    -- is it, and could it be seen
    is_escalated,
    is_applicable,
    not_applicable_reason,
    evidence

from occurrences
