{{ config(
    materialized="incremental",
    incremental_strategy="replace_state",
    post_hook="{{ keep_definition() }}",
) }}

with

acknowledged as (

    select operations.* from {{ ref('sync_operations') }} as operations
    {%- if is_incremental() %}
        -- joined, not asked for each: the engine then begins with the few
        inner join ({{ changed_keys() }}) as changed
            on {{ is_of_key('operations', 'changed') }}
    {%- endif %}
    where {{ is_acknowledged('operations.state') }}

),

numbered as (

    select
        *,
        row_number() over (
            partition by destination, kind, object_key, user_key
            order by acknowledged_at desc nulls last, ledger_sequence desc, operation_id asc
        ) as recency,
        count(*) over (partition by destination, kind, object_key, user_key)
            as acknowledged_count

    from acknowledged

)

select
    destination,
    kind,
    object_key,
    user_key,
    operation_id,
    operation,
    payload_hash,
    field_names,
    acknowledged_at,
    ledger_sequence,
    loaded_at,
    acknowledged_count,
    operation != 'remove' as is_present

from numbered
where recency = 1
