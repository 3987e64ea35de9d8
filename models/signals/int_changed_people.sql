-- whose milestones and set-ups this run judges again: something of theirs came, went or became
-- another person's, was said anew, or fell due. Who lost an event stands in int_lasting_events only
-- until that is replaced, so a run that died in between left them here
{{ after('int_changed_sessions') }}
{{ after('int_effective_thresholds') }}
{% set earlier_events = earlier_state('int_lasting_events') %}
{% set mark = last_mark() %}
with

{% if is_narrowed(earlier_events) %}

    windows as (

        select
            min(threshold) as shortest,
            max(threshold) as longest

        from {{ ref('int_effective_thresholds') }}
        where signal_name = 'setup_abandoned'

    ),

{% endif %}

people as (

    select
        actor_id,
        user_key

    from {{ ref('session_events') }}
    where {{ is_lasting() }} and mark_number = {{ next_mark_number() }}

    union

    select
        cast(null as {{ dbt.type_string() }}) as actor_id,
        user_key

    from {{ ref('user_sign_ups') }}
    where mark_number > {{ mark.mark_number }}

    {% if is_there(earlier_events) %}

        union

        select
            actor_id,
            user_key

        from {{ earlier_events }}
        where
            session_id in (
                select changed_sessions.session_id
                from {{ ref('int_changed_sessions') }} as changed_sessions
            )

    {% endif %}
    {% if is_narrowed(earlier_events) %}

        union

        select
            earlier.actor_id,
            earlier.user_key

        from {{ earlier_events }} as earlier
        cross join windows
        where
            earlier.event_name = 'setup_started'
            and {{ add_seconds('earlier.event_at', 'windows.longest') }} > {{ mark.as_of }}
            and {{ add_seconds('earlier.event_at', 'windows.shortest') }} <= {{ as_of() }}

    {% endif %}
    {% if is_there(this) %}

        union

        select
            actor_id,
            user_key

        from {{ this }}
        where mark_number = {{ next_mark_number() }}

    {% endif %}

)

select
    actor_id,
    user_key,
    {{ next_mark_number() }} as mark_number

from people
