-- a page is left before its point was seen: show what it holds
select
    user_key,
    session_id,
    detected_at as moment_at,
    evidence

from {{ ref('signals') }}

where
    signal_name = 'shallow_scroll'
    and is_applicable
