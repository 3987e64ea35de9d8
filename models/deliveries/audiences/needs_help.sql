-- people who struggled within the last seven days, and have not finished since
select signals.user_key

from {{ ref('signals') }} as signals
left join {{ ref('onboarding_completed') }} as completed
    on signals.user_key = completed.user_key

where
    signals.signal_name in ('cta_failure', 'session_pause')
    and signals.is_applicable
    and signals.user_key is not null
    and completed.user_key is null
    and {{ elapsed_seconds("signals.detected_at", as_of()) }} < 7 * 86400
group by signals.user_key
