{#- From when to when each value of a column held of a person, by the statements made up to then: a model
    over int_user_statements. Of two statements of one instant the later to arrive counts, and one that
    leaves the value out changes nothing. mark_number tells by which run a period was first seen so. -#}
{% macro stated_periods(column) -%}
with

statements as (

    select
        user_id as user_key,
        {{ column }},
        updated_at,
        row_number() over (
            partition by user_id, updated_at
            order by loaded_at desc, source_file desc, source_line desc
        ) as recency

    from {{ ref('int_user_statements') }}
    where {{ column }} is not null

),

compared as (

    select
        user_key,
        {{ column }},
        updated_at,
        lag({{ column }}) over (partition by user_key order by updated_at) as previous_value

    from statements
    where recency = 1

),

periods as (

    select
        user_key,
        {{ column }},
        updated_at as effective_from,
        lead(updated_at) over (partition by user_key order by updated_at) as effective_until

    from compared
    where previous_value is null or previous_value != {{ column }}

),

earlier as (

    {% if is_narrowed(this) %}
        select * from {{ this }}
    {% else %}
        select
            user_key,
            {{ column }},
            effective_from,
            effective_until,
            cast(0 as bigint) as mark_number

        from periods
        where false
    {% endif %}

)

select
    periods.user_key,
    periods.{{ column }},
    periods.effective_from,
    periods.effective_until,
    coalesce(earlier.mark_number, {{ next_mark_number() }}) as mark_number

from periods
left join earlier
    on
        periods.user_key = earlier.user_key
        and periods.{{ column }} = earlier.{{ column }}
        and periods.effective_from = earlier.effective_from
        and periods.effective_until is not distinct from earlier.effective_until
{%- endmacro %}
