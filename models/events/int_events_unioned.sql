{{ config(materialized='view') }}

-- a further source is one more staging model and one more `union all`
select * from {{ ref('stg_kairos__events') }}
union all
select * from {{ ref('stg_segment__events') }}
