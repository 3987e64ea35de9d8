-- what segment each person was in and when, by the statements made up to then: a threshold for a
-- segment holds for those who were known to be in it
with

statements as (

    select
        user_id as user_key,
        segment,
        updated_at,
        row_number() over (
            partition by user_id, updated_at
            order by loaded_at desc, source_file desc, source_line desc
        ) as recency

    from {{ ref('int_user_statements') }}
    where segment is not null

),

compared as (

    select
        user_key,
        segment,
        updated_at,
        lag(segment) over (partition by user_key order by updated_at) as previous_segment

    from statements
    where recency = 1

),

periods as (

    select
        user_key,
        segment,
        updated_at as effective_from,
        lead(updated_at) over (partition by user_key order by updated_at) as effective_until

    from compared
    where previous_segment is null or previous_segment != segment

),

earlier as (

    {% if is_narrowed(this) %}
        select * from {{ this }}
    {% else %}
        select
            user_key,
            segment,
            effective_from,
            effective_until,
            cast(0 as bigint) as mark_number

        from periods
        where false
    {% endif %}

)

select
    periods.user_key,
    periods.segment,
    periods.effective_from,
    periods.effective_until,
    coalesce(earlier.mark_number, {{ next_mark_number() }}) as mark_number

from periods
left join earlier
    on
        periods.user_key = earlier.user_key
        and periods.segment = earlier.segment
        and periods.effective_from = earlier.effective_from
        and periods.effective_until is not distinct from earlier.effective_until
