{{ config(materialized='incremental', instant='scored_at') }}

with

measured as (

    select * from {{ ref('int_sessions_measured') }}
    where {{ session_changed('scored_at') }}

),

grades as (

    select * from {{ ref('engagement_grades') }}

),

active_model as (

    select * from {{ ref('engagement_active_model') }}

),

active_grades as (

    select grades.*
    from grades
    inner join active_model on grades.model_version = active_model.model_version

),

judged as (

    select
        *,
        case
            when is_keyboard_only then 'keyboard_only'
            when deepest_seen_pct is null then 'no_scroll_instrumentation'
            when longest_page_ratio <= {{ var('short_page_ratio') }} then 'short_page'
        end as not_applicable_reason

    from measured

)

select
    -- who
    judged.session_id,
    judged.actor_id,
    judged.user_key,

    -- when
    judged.scored_at,

    -- how much
    active_grades.score,
    active_grades.grade,
    cast(active_model.model_version as {{ dbt.type_string() }}) as model_version,
    {{ json_object({
        'seen_pct': 'round(judged.deepest_seen_pct, 9)',
        'click_count': 'judged.secondary_click_count',
    }) }} as components,

    -- could it be seen
    judged.not_applicable_reason is null as is_applicable,
    judged.not_applicable_reason

from judged
cross join active_model
left join active_grades
    on
        judged.not_applicable_reason is null
        and judged.deepest_seen_pct >= active_grades.from_seen_pct
        and (
            judged.deepest_seen_pct < active_grades.to_seen_pct
            or active_grades.to_seen_pct is null
        )
        and judged.secondary_click_count >= active_grades.from_click_count
        and (
            judged.secondary_click_count < active_grades.to_click_count
            or active_grades.to_click_count is null
        )
