{{ config(materialized='view') }}

with

occurrences as (

    select * from {{ ref('int_signals_unioned') }}

),

identities as (

    select * from {{ ref('identities') }}

)

select
    -- who
    {{ hash_id([
        'occurrences.signal_name', 'occurrences.actor_id', 'occurrences.subject_id',
        "case when occurrences.is_escalated then 1 else 0 end",
    ]) }} as signal_id,
    occurrences.session_id,
    occurrences.actor_id,
    -- whoever signs in before a timer falls due is known by then
    case
        when occurrences.user_key = occurrences.actor_id
            then coalesce(identities.user_key, occurrences.user_key)
        else occurrences.user_key
    end as user_key,

    -- what
    occurrences.signal_name,
    occurrences.detected_at,
    occurrences.page_url,

    -- how much
    cast(occurrences.value as double) as value,
    cast(occurrences.threshold as double) as threshold,
    cast(occurrences.threshold_version as {{ dbt.type_string() }}) as threshold_version,

    -- is it, and could it be seen
    occurrences.is_escalated,
    occurrences.is_applicable,
    occurrences.not_applicable_reason,
    occurrences.evidence

from occurrences
left join identities
    on
        occurrences.actor_id = identities.actor_id
        and occurrences.detected_at >= identities.known_from
        and (
            occurrences.detected_at < identities.known_until
            or identities.known_until is null
        )
