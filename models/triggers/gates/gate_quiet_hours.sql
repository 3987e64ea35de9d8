with

contenders as (

    select * from {{ ref('contenders') }}

)

-- a message that would expire before morning is dropped, and says so
select
    decision_id,
    'quiet_hours' as gate_name,
    wakes_at is null as is_passed,
    'quiet_hours' as reason,
    channel as blocked_by,
    case when wakes_at < coalesce(expires_at, {{ add_seconds('wakes_at', 1) }}) then wakes_at end
        as deferred_until,
    {{ json_object({
        "time_zone": "time_zone",
        "wall_clock": "cast(" ~ wall_clock(as_of(), "time_zone") ~ " as " ~ dbt.type_string() ~ ")",
        "wakes_at": "cast(wakes_at as " ~ dbt.type_string() ~ ")",
    }) }} as operands

from contenders
