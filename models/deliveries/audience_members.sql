{{ config(materialized="view") }}

-- every audience is named here, like every rule in trigger_moments
{%- set audiences = [
    ref('needs_help'),
    ref('onboarding_completed'),
] %}

{%- for audience in audiences %}

    select
        '{{ audience.identifier }}' as audience_key,
        user_key

    from {{ audience }}
    {%- if not loop.last %}

        union all
    {%- endif %}
{%- endfor %}
