{{ config(materialized='incremental', incremental_strategy='replace_batches') }}

-- what events say of the people whom they identify. A further source of events is one more staging
-- model and one more `union all`
{{ after('int_changed_batches') }}
with

statements as (

    select * from {{ ref('stg_kairos__identified_users') }}
    union all
    select * from {{ ref('stg_segment__users') }}
    union all
    select * from {{ ref('stg_amplitude__users') }}

)

select
    *,
    date_trunc('minute', loaded_at) as batch_at

from statements
{% if is_incremental() %}
    where
        date_trunc('minute', loaded_at) in (
            select changed_batches.batch_at
            from {{ ref('int_changed_batches') }} as changed_batches
        )
        and loaded_at >= {{ first_instant(ref('int_changed_batches'), 'batch_at') }}
{% endif %}
