{{ config(materialized="view") }}

-- every rule is named here, so that the lineage shows it; a test keeps files, rows and content in
-- step
{%- set rules = [
    ref('abandonment_risk'),
    ref('cta_failure_tooltip'),
    ref('cta_micro_video'),
    ref('failed_login_help'),
    ref('invite_team_nudge'),
    ref('onboarding_congratulation'),
    ref('pause_help_tip'),
    ref('pause_live_chat'),
    ref('power_user_tips'),
    ref('setup_reminder'),
    ref('shallow_scroll_guide'),
    ref('verification_video'),
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
