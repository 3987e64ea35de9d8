{#- Periods of one key do not overlap; an empty end means for ever. -#}
{% test no_overlap(model, key, starts_at, ends_at) %}

with

periods as (

    select
        {{ key }} as period_key,
        {{ starts_at }} as starts_at,
        {{ ends_at }} as ends_at,
        lead({{ starts_at }}) over (
            partition by {{ key }} order by {{ starts_at }}, {{ ends_at }} nulls last
        ) as next_starts_at

    from {{ model }}

)

select * from periods
where next_starts_at < ends_at or (ends_at is null and next_starts_at is not null)

{% endtest %}
