with

reports as (

    select * from {{ source('raw', 'sync_runs') }}
    where loaded_at <= {{ as_of() }}

),

-- a run is reported when it starts and again when it ends
numbered as (

    select
        *,
        row_number() over (
            partition by run_id, destination
            order by loaded_at desc, finished_at desc nulls last, status asc
        ) as recency

    from reports

)

select
    run_id,
    destination,
    status,
    counts,
    request_count,
    started_at,
    finished_at

from numbered
where recency = 1
