{{ config(materialized="view") }}

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
    planned_at,
    sent_at,
    acknowledged_at,
    expires_at,
    http_status,
    error_code,
    error_message,
    ledger_sequence,
    loaded_at

from {{ ref('stg_ledger__sync_operations') }}
