{{ config(severity='warn') }}
{#- A warning: a build that fails would keep away the run that ends the silence. -#}

-- no run of a destination that is on did all it had to for `sync_stale_after_hours`; one that was
-- never synced does not count, and where none ever did, the first one that tried begins the time
with

runs as (

    select * from {{ ref('sync_runs') }}

),

destinations as (

    select * from {{ ref('destinations') }}
    where is_enabled

),

synced as (

    select
        runs.destination,
        max(case when runs.status = 'done' then runs.finished_at end) as last_done_at,
        min(runs.started_at) as first_started_at

    from runs
    inner join destinations
        on runs.destination = destinations.destination
    group by runs.destination

)

select
    destination,
    last_done_at,
    first_started_at

from synced
where
    {{ add_seconds(
        "coalesce(last_done_at, first_started_at)", 3600 * var("sync_stale_after_hours")
    ) }} < {{ as_of() }}
