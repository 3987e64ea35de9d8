{{ config(materialized="view") }}

with

desired as (

    select
        destination,
        kind,
        object_key,
        user_key,
        payload
    from {{ ref('desired_audiences') }}
    union all
    select
        destination,
        kind,
        object_key,
        user_key,
        payload
    from {{ ref('desired_profiles') }}

),

known as (

    select * from {{ ref('sync_state') }}
    where kind in ('audience', 'profile')

),

doubts as (

    select
        destination,
        kind,
        object_key,
        user_key

    from {{ ref('doubtful_operations') }}
    group by destination, kind, object_key, user_key

),

resyncs as (

    select * from {{ ref('stg_ledger__resyncs') }}

),

keys as (

    select
        destination,
        kind,
        object_key,
        user_key
    from desired
    union distinct
    select
        destination,
        kind,
        object_key,
        user_key
    from known
    union distinct
    select
        destination,
        kind,
        object_key,
        user_key
    from doubts

),

compared as (

    select
        keys.destination,
        keys.kind,
        keys.object_key,
        keys.user_key,
        coalesce(desired.payload, {{ json_object({"audience_key": "keys.object_key"}) }})
            as payload,
        known.payload_hash as known_hash,
        coalesce(known.acknowledged_count, 0) as acknowledged_count,
        desired.user_key is not null as is_desired,
        coalesce(known.is_present, false) as is_present,
        doubts.user_key is not null as is_doubtful,
        coalesce(known.ledger_sequence <= resyncs.ledger_sequence, false) as is_said_again

    from keys
    left join desired
        on
            keys.destination = desired.destination
            and keys.kind = desired.kind
            and keys.object_key = desired.object_key
            and keys.user_key = desired.user_key
    left join known
        on
            keys.destination = known.destination
            and keys.kind = known.kind
            and keys.object_key = known.object_key
            and keys.user_key = known.user_key
    left join doubts
        on
            keys.destination = doubts.destination
            and keys.kind = doubts.kind
            and keys.object_key = doubts.object_key
            and keys.user_key = doubts.user_key
    left join resyncs
        on keys.destination = resyncs.destination

)

-- desired minus acknowledged; where a doubt is open, or a full resync was asked for, what should be
-- is said again, that somebody is out too. A profile is never removed: the platform may know more
-- of the person than we do.
select
    destination,
    kind,
    object_key,
    user_key,
    payload,
    {{ hash_id(["payload"]) }} as payload_hash,
    acknowledged_count,
    case
        when is_desired and not is_present then 'add'
        when is_desired and known_hash != {{ hash_id(["payload"]) }} then 'update'
        when is_desired and (is_doubtful or is_said_again) then 'add'
        when
            not is_desired and kind = 'audience' and (is_present or is_doubtful or is_said_again)
            then 'remove'
    end as operation

from compared
