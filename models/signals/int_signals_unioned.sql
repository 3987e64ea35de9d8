{{ config(materialized='view') }}

-- a further signal is one more model and one more `union all`
select * from {{ ref('int_signals_session_pause') }}
union all
select * from {{ ref('int_signals_shallow_scroll') }}
union all
select * from {{ ref('int_signals_cta_failure') }}
union all
select * from {{ ref('int_signals_milestone_reached') }}
