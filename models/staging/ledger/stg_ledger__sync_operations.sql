{{ config(
    materialized="incremental",
    incremental_strategy="replace_operations",
    post_hook="{{ keep_definition() }}",
) }}

with

changes as (

    select * from {{ source('raw', 'sync_operations') }}
    where loaded_at <= {{ as_of() }} and {{ is_not_taken('sequence') }}

),

-- the ledger replicates every change; the last one says how the operation stands. No two of them
-- have one number, which is thus an order, and one that the engine need not sort everything for
numbered as (

    select
        *,
        row_number() over (
            partition by operation_id order by sequence desc
        ) as recency

    from changes

)

select
    operation_id,
    idempotency_key,
    run_id,
    destination,
    kind,
    operation,
    object_key,
    user_key,
    decision_id,
    payload_hash,
    field_names,
    state,
    attempt_count,
    scope,
    counts_toward_caps,
    http_status,
    error_code,
    error_message,
    sequence as ledger_sequence,
    planned_at,
    sent_at,
    acknowledged_at,
    expires_at,
    loaded_at

from numbered
where recency = 1
