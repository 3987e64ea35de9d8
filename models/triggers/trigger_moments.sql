{{ config(materialized="view") }}

-- every rule is named here, so that the lineage shows it; a test keeps files, rows and content in
-- step
{%- set rules = [
    ref('cta_failure_tooltip'),
    ref('onboarding_congratulation'),
    ref('pause_help_tip'),
] %}

{%- for rule in rules %}

    select
        '{{ rule.identifier }}' as trigger_name,
        user_key,
        session_id,
        moment_at,
        evidence

    from {{ rule }}
    {%- if not loop.last %}

        union all
    {%- endif %}
{%- endfor %}
