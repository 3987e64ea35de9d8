with

candidates as (

    select * from {{ ref('candidate_facts') }}

),

exits as (

    select
        decision_id,
        user_key,
        moment_at,
        {{ each_word('exit_events') }} as event_name

    from candidates
    where exit_events is not null

),

events as (

    select * from {{ ref('events') }}

),

-- what happened between the moment and its decision can make the message pointless
exited as (

    select
        exits.decision_id,
        min(events.event_name) as exit_event,
        min(events.event_at) as exited_at

    from exits
    inner join events
        on
            exits.user_key = events.user_key
            and exits.event_name = events.event_name
            and exits.moment_at <= events.event_at
            and events.event_at <= {{ as_of() }}
    group by exits.decision_id

)

select
    candidates.decision_id,
    'eligibility' as gate_name,
    exited.decision_id is null and not candidates.is_retracted as is_passed,
    case when candidates.is_retracted then 'retracted' else 'exited' end as reason,
    case when candidates.is_retracted then 'late_data' else exited.exit_event end as blocked_by,
    cast(null as {{ dbt.type_timestamp() }}) as deferred_until,
    {{ json_object({
        "exit_events": "candidates.exit_events",
        "exit_event": "exited.exit_event",
        "exited_at": "cast(exited.exited_at as " ~ dbt.type_string() ~ ")",
        "is_retracted": "candidates.is_retracted",
    }) }} as operands

from candidates
left join exited
    on candidates.decision_id = exited.decision_id
