{{ config(materialized='view') }}

-- a further source is one more staging model and one more `union all`; `landing` is the raw table
select
    'events' as landing,
    *
from {{ ref('stg_kairos__events') }}
union all
select
    'events_segment' as landing,
    *
from {{ ref('stg_segment__events') }}
union all
select
    'events_mixpanel' as landing,
    *
from {{ ref('stg_mixpanel__events') }}
union all
select
    'events_amplitude' as landing,
    *
from {{ ref('stg_amplitude__events') }}
union all
select
    'events_snowplow' as landing,
    *
from {{ ref('stg_snowplow__events') }}
