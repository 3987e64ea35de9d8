{{ config(materialized='view') }}

-- a further source of people is one more staging model and one more `union all`
select * from {{ ref('stg_kairos__users') }}
union all
select * from {{ ref('stg_kairos__identified_users') }}
union all
select * from {{ ref('stg_segment__users') }}
union all
select * from {{ ref('stg_amplitude__users') }}
