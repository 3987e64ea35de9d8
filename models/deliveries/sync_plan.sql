with

moments as (

    select * from {{ ref('planned_moments') }}

),

sets as (

    select * from {{ ref('planned_sets') }}

),

tiers as (

    select * from {{ ref('tiers') }}

),

planned as (

    select
        moments.idempotency_key,
        moments.destination,
        moments.kind,
        moments.operation,
        moments.is_retry,
        moments.object_key,
        moments.user_key,
        moments.decision_id,
        moments.payload,
        null as field_names,
        moments.scope,
        moments.decided_at,
        moments.expires_at,
        coalesce(tiers.tier_rank, 99) as tier_rank,
        moments.priority

    from moments
    left join tiers
        on moments.tier = tiers.tier

    union all

    select
        idempotency_key,
        destination,
        kind,
        operation,
        is_retry,
        object_key,
        user_key,
        null as decision_id,
        payload,
        field_names,
        null as scope,
        null as decided_at,
        null as expires_at,
        null as tier_rank,
        null as priority

    from sets

)

select
    {{ hash_id(["'operation'", "idempotency_key"]) }} as operation_id,
    idempotency_key,
    destination,
    kind,
    operation,
    is_retry,
    object_key,
    user_key,
    decision_id,
    payload,
    {{ hash_id(["payload"]) }} as payload_hash,
    field_names,
    scope,
    decided_at,
    cast({{ as_of() }} as {{ dbt.type_timestamp() }}) as planned_at,
    expires_at,
    -- a moment passes, so it goes first; who leaves an audience goes before who enters one
    row_number() over (
        order by
            case kind when 'moment' then 1 when 'audience' then 2 else 3 end,
            tier_rank asc nulls last,
            priority desc nulls last,
            case operation when 'remove' then 1 else 2 end,
            decided_at asc nulls last,
            idempotency_key asc
    ) as sequence_number

from planned
