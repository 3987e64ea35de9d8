{{ config(materialized="view") }}

with

claims as (

    select * from {{ ref('limit_claims') }}

),

admissions as (

    select * from {{ ref('limit_admissions') }}

),

admitted as (

    select
        claims.*,
        admissions.is_admitted and claims.is_counted as is_taking

    from claims
    inner join admissions
        on claims.decision_id = admissions.decision_id

),

-- what was taken by those ahead in this very run
taken as (

    select
        *,
        count(case when is_taking and not is_ghost then 1 end) over ahead
        + case
            when is_ghost then count(case when is_taking and is_ghost then 1 end) over ahead else 0
        end
            as used_in_run

    from admitted
    window ahead as (
        partition by bucket order by arbitration_rank
        rows between unbounded preceding and 1 preceding
    )

)

select
    decision_id,
    limit_kind,
    limit_name,
    window_kind,
    window_seconds,
    time_zone,
    maximum,
    used_before,
    used_in_run,
    oldest_used_at,
    coalesce(used_before >= maximum, false) as is_full_before,
    coalesce(used_before + used_in_run >= maximum, false) as is_full

from taken
