-- a set-up was begun and not finished in its time: remind of it
select
    user_key,
    session_id,
    detected_at as moment_at,
    evidence

from {{ ref('signals') }}

where
    signal_name = 'setup_abandoned'
    and is_applicable
