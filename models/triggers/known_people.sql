{{ config(materialized="view") }}

-- a browser that nobody ever signed in at is nobody whom a platform could address
select user_key
from {{ ref('users') }}

union distinct

select user_id as user_key
from {{ ref('events') }}
where user_id is not null
