{{ config(materialized="view") }}

with

triggers as (

    select * from {{ ref('triggers') }}

),

tiers as (

    select * from {{ ref('tiers') }}

),

-- one text for all caps, so that a decision can say under which settings it was taken
caps_in_force as (

    select
        {{ dbt.listagg(
            hash_id(["cap_name", "scope", "scope_value", "window_kind", "window_seconds", "time_zone", "maximum", "experiment", "arm"]),
            "','",
            "order by cap_name"
        ) }} as caps_text

    from {{ ref('fatigue_caps') }}
    where is_enabled

)

select
    triggers.trigger_name,
    triggers.tier,
    tiers.tier_rank,
    triggers.priority,
    triggers.channel,
    triggers.tags,
    triggers.destination,
    triggers.content_key,
    coalesce(triggers.delay_seconds, 0) as delay_seconds,
    triggers.expiry_seconds,
    coalesce(triggers.cooldown_seconds, 0) as cooldown_seconds,
    triggers.re_eligible_after_seconds,
    coalesce(triggers.on_capped, 'drop') as on_capped,
    triggers.exit_events,
    triggers.bypass_caps,
    triggers.counts_toward_caps,
    triggers.experiment,
    triggers.is_enabled,
    {{ hash_id([
        "triggers.trigger_name", "triggers.tier", "triggers.priority", "triggers.channel", "triggers.tags",
        "triggers.destination", "triggers.content_key", "triggers.delay_seconds", "triggers.expiry_seconds",
        "triggers.cooldown_seconds", "triggers.re_eligible_after_seconds", "triggers.on_capped",
        "triggers.exit_events", "triggers.bypass_caps", "triggers.counts_toward_caps",
        "triggers.experiment", "triggers.is_enabled", "caps_in_force.caps_text",
    ]) }} as config_version

from triggers
left join tiers
    on triggers.tier = tiers.tier
cross join caps_in_force
