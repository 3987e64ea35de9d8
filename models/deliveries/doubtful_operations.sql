{{ config(materialized="view") }}

with

operations as (

    select * from {{ ref('sync_operations') }}
    where kind in ('audience', 'profile') and {{ is_in_doubt('state') }}

),

known as (

    select * from {{ ref('sync_state') }}

)

-- what was acknowledged later overrides a doubt
select
    operations.destination,
    operations.kind,
    operations.object_key,
    operations.user_key,
    operations.operation,
    operations.payload_hash,
    operations.field_names

from operations
left join known
    on
        operations.destination = known.destination
        and operations.kind = known.kind
        and operations.object_key = known.object_key
        and operations.user_key = known.user_key

where operations.ledger_sequence > coalesce(known.ledger_sequence, -1)
