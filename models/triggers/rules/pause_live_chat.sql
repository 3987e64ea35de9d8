-- a pause grows long: offer to talk to somebody
select
    user_key,
    session_id,
    detected_at as moment_at,
    evidence

from {{ ref('signals') }}

where
    signal_name = 'session_pause'
    and is_applicable
    and is_escalated
