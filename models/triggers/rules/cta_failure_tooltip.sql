-- the same key call to action fails for the third time: say what is wrong
select
    user_key,
    session_id,
    detected_at as moment_at,
    evidence

from {{ ref('signals') }}

where
    signal_name = 'cta_failure'
    and is_applicable
