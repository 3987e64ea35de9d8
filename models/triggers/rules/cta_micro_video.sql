-- hardly anybody who sees the call to action gets through: show how it is done
select
    user_key,
    session_id,
    detected_at as moment_at,
    evidence

from {{ ref('signals') }}

where
    signal_name = 'cta_failure'
    and is_applicable
    and is_escalated
