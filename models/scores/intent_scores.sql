{{ config(materialized='incremental', instant='scored_at') }}

with

components as (

    select
        *,
        '"' || component || '": ' || round(component_score, 9) as shown

    from {{ ref('int_score_components') }}
    where {{ session_changed('scored_at') }}

),

bands as (

    select * from {{ ref('intent_bands') }}

),

-- components that could not be observed are left out and the rest weigh more: unknown is not low
scored as (

    select
        session_id,
        scored_at,
        actor_id,
        user_key,
        model_version,
        round(sum(weight * component_score) / sum(weight), 9) as score,
        -- in the order of their names; to sort them for each score would cost more than the score
        '{' || concat_ws(
            ', ',
            max(case when component = 'interaction_delay' then shown end),
            max(case when component = 'scroll' then shown end),
            max(case when component = 'secondary_clicks' then shown end)
        ) || '}' as components

    from components
    group by session_id, scored_at, actor_id, user_key, model_version

)

select
    scored.session_id,
    scored.actor_id,
    scored.user_key,
    scored.scored_at,
    scored.score,
    bands.band,
    cast(scored.model_version as {{ dbt.type_string() }}) as model_version,
    scored.components

from scored
inner join bands
    on
        scored.model_version = bands.model_version
        and scored.score >= bands.from_score
        and (scored.score < bands.to_score or bands.to_score is null)
-- by time, so that a later run can skip most of history
order by scored.scored_at
