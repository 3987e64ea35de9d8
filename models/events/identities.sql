{{ config(materialized='view') }}

with

identity_spans as (

    select * from {{ ref('int_identity_spans') }}

)

select
    actor_id,
    user_key,
    known_from,
    known_until

from identity_spans
where is_current
