{{ config(materialized="view") }}

with

claims as (

    select * from {{ ref('limit_claims') }}
    where maximum is not null

),

disputed as (

    select * from {{ ref('disputed_claims') }}

),

admissions as (

    select * from {{ ref('limit_admissions') }}

),

admitted as (

    select
        disputed.arbitration_rank,
        disputed.bucket,
        disputed.is_ghost,
        admissions.is_admitted and disputed.is_counted as is_taking

    from disputed
    inner join admissions
        on disputed.arbitration_rank = admissions.arbitration_rank

),

-- what was taken by those ahead in this very run
taken as (

    select
        arbitration_rank,
        bucket,
        count(case when is_taking and not is_ghost then 1 end) over ahead
        + case
            when is_ghost then count(case when is_taking and is_ghost then 1 end) over ahead else 0
        end as used_in_run

    from admitted
    window ahead as (
        partition by bucket order by arbitration_rank
        rows between unbounded preceding and 1 preceding
    )

)

select
    claims.arbitration_rank,
    claims.limit_kind,
    claims.limit_name,
    claims.window_kind,
    claims.window_seconds,
    claims.time_zone,
    claims.maximum,
    claims.used_before,
    coalesce(taken.used_in_run, 0) as used_in_run,
    claims.oldest_used_at,
    claims.used_before >= claims.maximum as is_full_before,
    claims.used_before + coalesce(taken.used_in_run, 0) >= claims.maximum as is_full

from claims
left join taken
    on
        claims.arbitration_rank = taken.arbitration_rank
        and claims.bucket = taken.bucket

where claims.used_before + coalesce(taken.used_in_run, 0) > 0 or claims.maximum <= 0
