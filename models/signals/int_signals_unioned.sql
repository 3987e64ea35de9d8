{{ config(materialized='view') }}

-- a further signal is one more model and one more `union all`
select * from {{ ref('int_signals_session_pause') }}
union all
select * from {{ ref('int_signals_shallow_scroll') }}
union all
select * from {{ ref('int_signals_cta_failure') }}
union all
select * from {{ ref('int_signals_milestone_reached') }}
union all
select * from {{ ref('int_signals_hover_dwell') }}
union all
select * from {{ ref('int_signals_rage_click') }}
union all
select * from {{ ref('int_signals_dead_click') }}
union all
select * from {{ ref('int_signals_rapid_backtrack') }}
union all
select * from {{ ref('int_signals_skip_reenter_pause') }}
union all
select * from {{ ref('int_signals_form_abandoned') }}
union all
select * from {{ ref('int_signals_setup_abandoned') }}
union all
select * from {{ ref('int_signals_help_linger') }}
