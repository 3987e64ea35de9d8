with

candidates as (

    select * from {{ ref('candidate_facts') }}

),

suppressions as (

    select * from {{ ref('suppressed_users') }}
    where suppressed_from <= {{ as_of() }}

),

suppressed as (

    select
        candidates.decision_id,
        min(suppressions.reason) as suppression_reason

    from candidates
    inner join suppressions
        on
            candidates.user_key = suppressions.user_key
            and suppressions.channel in ('*', candidates.channel)
    group by candidates.decision_id

),

answers as (

    select
        candidates.decision_id,
        candidates.channel,
        suppressed.suppression_reason,
        {{ json_field("candidates.consents", "'messages'") }} as messages_consent,
        {{ json_field("candidates.consents", "candidates.channel") }} as channel_consent

    from candidates
    left join suppressed
        on candidates.decision_id = suppressed.decision_id

),

-- silence is consent only as far as the project says so; a refusal always stands
judged as (

    select
        *,
        case
            when suppression_reason is not null then 'suppression_list'
            when messages_consent = 'false' or channel_consent = 'false' then 'no_consent'
            when
                '{{ var("consent_when_unknown") }}' = 'refused'
                and coalesce(channel_consent, messages_consent) is null
                then 'no_consent'
        end as refusal

    from answers

)

select
    decision_id,
    'consent' as gate_name,
    refusal is null as is_passed,
    coalesce(refusal, 'no_consent') as reason,
    coalesce(suppression_reason, channel) as blocked_by,
    cast(null as {{ dbt.type_timestamp() }}) as deferred_until,
    {{ json_object({
        "channel": "channel",
        "messages_consent": "messages_consent",
        "channel_consent": "channel_consent",
        "suppression_reason": "suppression_reason",
    }) }} as operands

from judged
