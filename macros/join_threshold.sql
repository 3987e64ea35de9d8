{#- Joins to a row of a signal the threshold that holds for its person at an instant: by the segment that they
    were known to be in and the arm of an experiment that they are in; the general one for who is unknown. A
    browser that nobody has signed in at so far has a `user_key` of its own, but is in no arm.
    The model imports `user_segments` and, of the signal, `thresholds`. -#}
{% macro join_threshold(row, at) -%}
{%- set person = "case when " ~ row ~ ".is_known then " ~ row ~ ".user_key end" -%}
left join user_segments
    on
        {{ row }}.user_key = user_segments.user_key
        and {{ holds_at("user_segments", at) }}
inner join thresholds
    on
        coalesce(user_segments.segment, '*') = thresholds.segment
        and {{ holds_at("thresholds", at) }}
        and {{ is_in_arm("thresholds", person) }}
{%- endmacro %}
