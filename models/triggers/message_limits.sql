{{ config(materialized="view") }}

with

caps as (

    select * from {{ ref('caps_in_force') }}

),

triggers as (

    select * from {{ ref('trigger_settings') }}

),

limits as (

    -- a cooldown is a limit of one message of its trigger, in a rolling window
    select
        'cooldown' as limit_kind,
        'cooldown' as limit_name,
        'trigger' as scope,
        trigger_name as scope_value,
        'rolling' as window_kind,
        cooldown_seconds as window_seconds,
        'user' as time_zone,
        1 as maximum,
        cast(null as {{ dbt.type_string() }}) as hash_seed,
        cast(null as {{ dbt.type_float() }}) as bucket_from,
        cast(null as {{ dbt.type_float() }}) as bucket_to

    from triggers
    where cooldown_seconds > 0

    union all

    -- without a time after which somebody is eligible again, once is once for ever
    select
        'cooldown' as limit_kind,
        're_eligibility' as limit_name,
        'trigger' as scope,
        trigger_name as scope_value,
        case
            when re_eligible_after_seconds is null then 'lifetime' else 'rolling'
        end as window_kind,
        re_eligible_after_seconds as window_seconds,
        'user' as time_zone,
        1 as maximum,
        null as hash_seed,
        null as bucket_from,
        null as bucket_to

    from triggers
    where coalesce(re_eligible_after_seconds, 1) > 0

    union all

    select
        'cap' as limit_kind,
        cap_name as limit_name,
        scope,
        scope_value,
        window_kind,
        window_seconds,
        time_zone,
        maximum,
        hash_seed,
        bucket_from,
        bucket_to

    from caps

),

-- whatever a limit can count apart; a limit on `*` holds for each of them by itself
facets as (

    select
        'all' as scope,
        '*' as facet
    union distinct
    select
        'session' as scope,
        '*' as facet
    union distinct
    select
        'account' as scope,
        '*' as facet
    union distinct
    select
        'trigger' as scope,
        trigger_name as facet
    from triggers
    union distinct
    select
        'tier' as scope,
        tier as facet
    from triggers
    union distinct
    select
        'channel' as scope,
        channel as facet
    from triggers
    union distinct
    select
        'tag' as scope,
        {{ each_word('tags') }} as facet
    from triggers

)

select
    limits.limit_kind,
    limits.limit_name,
    limits.scope,
    facets.facet,
    limits.window_kind,
    limits.window_seconds,
    limits.time_zone,
    limits.maximum,
    limits.hash_seed,
    limits.bucket_from,
    limits.bucket_to

from limits
inner join facets
    on
        limits.scope = facets.scope
        and limits.scope_value in ('*', facets.facet)
