{{ config(materialized='view') }}

with

spans as (

    select * from {{ ref('int_session_spans') }}

),

retired as (

    select * from spans
    where not is_current

),

current_spans as (

    select * from spans
    where is_current

)

select
    retired.session_id as old_session_id,
    current_spans.session_id as new_session_id,
    retired.actor_id,
    retired.started_at as old_started_at,
    current_spans.started_at as new_started_at

from retired
left join current_spans
    on
        retired.actor_id = current_spans.actor_id
        and retired.started_at between current_spans.started_at and current_spans.ended_at
