{{ config(materialized="view") }}

with

desired as (

    select
        destination,
        kind,
        object_key,
        user_key,
        payload,
        field_names
    from {{ ref('desired_audiences') }}
    union all
    select
        destination,
        kind,
        object_key,
        user_key,
        payload,
        field_names
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

desired_or_known as (

    select
        coalesce(desired.destination, known.destination) as destination,
        coalesce(desired.kind, known.kind) as kind,
        coalesce(desired.object_key, known.object_key) as object_key,
        coalesce(desired.user_key, known.user_key) as user_key,
        desired.payload,
        desired.field_names,
        known.payload_hash as known_hash,
        known.acknowledged_count,
        known.ledger_sequence,
        known.is_present,
        desired.user_key is not null as is_desired

    from desired
    full outer join known
        on
            desired.destination = known.destination
            and desired.kind = known.kind
            and desired.object_key = known.object_key
            and desired.user_key = known.user_key

),

-- somebody of whom there is only a doubt is neither desired nor known
all_keys as (

    select
        coalesce(desired_or_known.destination, doubts.destination) as destination,
        coalesce(desired_or_known.kind, doubts.kind) as kind,
        coalesce(desired_or_known.object_key, doubts.object_key) as object_key,
        coalesce(desired_or_known.user_key, doubts.user_key) as user_key,
        desired_or_known.payload,
        desired_or_known.field_names,
        desired_or_known.known_hash,
        coalesce(desired_or_known.acknowledged_count, 0) as acknowledged_count,
        desired_or_known.ledger_sequence,
        coalesce(desired_or_known.is_present, false) as is_present,
        coalesce(desired_or_known.is_desired, false) as is_desired,
        doubts.user_key is not null as is_doubtful

    from desired_or_known
    full outer join doubts
        on
            desired_or_known.destination = doubts.destination
            and desired_or_known.kind = doubts.kind
            and desired_or_known.object_key = doubts.object_key
            and desired_or_known.user_key = doubts.user_key

),

compared as (

    select
        all_keys.destination,
        all_keys.kind,
        all_keys.object_key,
        all_keys.user_key,
        all_keys.field_names,
        all_keys.known_hash,
        all_keys.acknowledged_count,
        all_keys.is_desired,
        all_keys.is_present,
        all_keys.is_doubtful,
        coalesce(all_keys.payload, {{ json_object({"audience_key": "all_keys.object_key"}) }})
            as payload,
        coalesce(all_keys.ledger_sequence <= resyncs.ledger_sequence, false) as is_said_again

    from all_keys
    left join resyncs
        on all_keys.destination = resyncs.destination

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
    field_names,
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
