-- somebody pauses where they must prove who they are: show how it goes
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
    and page_url like '%/verification%'
