-- somebody pauses while finishing their set-up: offer a hand
select
    user_key,
    session_id,
    detected_at as moment_at,
    evidence

from {{ ref('signals') }}

where
    signal_name = 'session_pause'
    and is_applicable
    and not is_escalated
