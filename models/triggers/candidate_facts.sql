with

candidates as (

    select * from {{ ref('candidates_due') }}

),

settings as (

    select * from {{ ref('trigger_settings') }}

),

people as (

    select * from {{ ref('users') }}

),

time_zones as (

    select * from {{ ref('time_zones') }}

),

scores as (

    select * from {{ ref('candidate_scores') }}

)

select
    candidates.decision_id,
    candidates.trigger_name,
    candidates.user_key,
    candidates.session_id,
    candidates.moment_at,
    candidates.is_retracted,
    people.account_id,
    people.segment,
    people.consents,
    -- two ids with one address are one person to an experiment
    coalesce(people.email_hash, candidates.user_key) as address,
    -- a zone that is unknown, or that no clock knows, falls back to the project's: no check is
    -- skipped
    coalesce(time_zones.time_zone, '{{ var("project_time_zone") }}') as time_zone,
    scores.score,
    settings.tier,
    settings.tier_rank,
    settings.priority,
    settings.channel,
    settings.tags,
    settings.destination,
    settings.content_key,
    settings.on_capped,
    settings.exit_events,
    settings.bypass_caps,
    settings.counts_toward_caps,
    settings.experiment,
    settings.is_enabled,
    settings.config_version,
    {{ add_seconds("candidates.moment_at", "settings.delay_seconds") }} as due_at,
    {{ add_seconds("candidates.moment_at", "settings.delay_seconds + settings.expiry_seconds") }}
        as expires_at

from candidates
left join settings
    on candidates.trigger_name = settings.trigger_name
left join people
    on candidates.user_key = people.user_key
left join time_zones
    on people.time_zone = time_zones.time_zone
left join scores
    on candidates.decision_id = scores.decision_id
