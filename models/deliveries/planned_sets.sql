{{ config(materialized="view") }}

with

differences as (

    select * from {{ ref('set_differences') }}
    where operation is not null

),

destinations as (

    select * from {{ ref('destinations') }}
    where is_enabled

),

doubts as (

    select * from {{ ref('doubtful_operations') }}

),

operations as (

    select * from {{ ref('sync_operations') }}

),

-- adding, removing and adding again are three operations: each has all that went before it in its
-- key
numbered as (

    select
        differences.destination,
        differences.kind,
        differences.object_key,
        differences.user_key,
        differences.operation,
        differences.payload,
        differences.field_names,
        differences.payload_hash,
        differences.acknowledged_count + count(doubts.operation) as generation

    from differences
    left join doubts
        on
            differences.destination = doubts.destination
            and differences.kind = doubts.kind
            and differences.object_key = doubts.object_key
            and differences.user_key = doubts.user_key
            and (
                differences.operation != doubts.operation
                or differences.payload_hash != doubts.payload_hash
            )
    group by
        differences.destination,
        differences.kind,
        differences.object_key,
        differences.user_key,
        differences.operation,
        differences.payload,
        differences.field_names,
        differences.payload_hash,
        differences.acknowledged_count

),

keyed as (

    select
        numbered.*,
        {{ hash_id([
            "numbered.destination", "kind", "object_key", "user_key", "operation", "payload_hash",
            "generation",
        ]) }} as idempotency_key

    from numbered
    inner join destinations
        on numbered.destination = destinations.destination

)

select
    keyed.idempotency_key,
    keyed.destination,
    keyed.kind,
    keyed.operation,
    keyed.object_key,
    keyed.user_key,
    keyed.payload,
    keyed.field_names,
    operations.operation_id is not null as is_retry

from keyed
left join operations
    on keyed.idempotency_key = operations.idempotency_key
