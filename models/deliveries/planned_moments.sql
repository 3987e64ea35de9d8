{{ config(materialized="view") }}

with

desired as (

    select * from {{ ref('desired_moments') }}

),

operations as (

    select * from {{ ref('sync_operations') }}
    where kind = 'moment'

),

destinations as (

    select * from {{ ref('destinations') }}
    where is_enabled

)

-- what was refused or could not be sent comes again until it is accepted or expires: the
-- dispatcher, which has the clock, is the one who says that it expired. So does what perhaps
-- arrived, which never expires: the dispatcher, which knows what the platform can tell, is the one
-- who says whether to send it
select
    desired.idempotency_key,
    desired.destination,
    'moment' as kind,
    'send' as operation,
    desired.object_key,
    desired.user_key,
    desired.decision_id,
    desired.payload,
    desired.scope,
    desired.tier,
    desired.priority,
    desired.decided_at,
    desired.expires_at,
    operations.operation_id is not null as is_retry

from desired
inner join destinations
    on desired.destination = destinations.destination
left join operations
    on desired.idempotency_key = operations.idempotency_key

where
    operations.operation_id is null
    or operations.state in ('planned', 'reserved', 'rejected', 'retryable', 'invalid')
    or (
        {{ is_in_doubt('operations.state') }}
        and coalesce(desired.expires_at > {{ as_of() }}, true)
    )
