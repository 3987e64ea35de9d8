with

decisions as (

    select * from {{ ref('decisions_made') }}
    where outcome in ('send', 'ghost')

),

operations as (

    select
        *,
        {{ gives_back('state') }} as is_given_back

    from {{ ref('stg_ledger__sync_operations') }}
    where kind = 'moment'

),

given_back as (

    select decision_id
    from operations
    group by decision_id
    having min(case when is_given_back then 1 else 0 end) = 1

),

decided as (

    select
        decisions.decision_id,
        decisions.user_key,
        decisions.account_id,
        decisions.session_id,
        decisions.trigger_name,
        decisions.tier,
        decisions.channel,
        decisions.tags,
        decisions.decided_at as messaged_at,
        decisions.outcome = 'ghost' as is_ghost,
        decisions.counts_toward_caps

    from decisions
    left join given_back
        on decisions.decision_id = given_back.decision_id

    where given_back.decision_id is null

),

-- what the real-time path reserved without the warehouse; each decision counts once, wherever it
-- was taken
reserved as (

    select
        operations.decision_id,
        min(operations.user_key) as user_key,
        min(operations.scope) as scope,
        min(operations.planned_at) as messaged_at,
        bool_or(coalesce(operations.counts_toward_caps, true)) as counts_toward_caps

    from operations
    left join decisions
        on operations.decision_id = decisions.decision_id

    where decisions.decision_id is null and not operations.is_given_back
    group by operations.decision_id

)

select
    decision_id,
    user_key,
    account_id,
    session_id,
    trigger_name,
    tier,
    channel,
    tags,
    messaged_at,
    is_ghost,
    counts_toward_caps

from decided

union all

select
    decision_id,
    user_key,
    {{ json_text('scope', 'account_id') }} as account_id,
    {{ json_text('scope', 'session_id') }} as session_id,
    {{ json_text('scope', 'trigger_name') }} as trigger_name,
    {{ json_text('scope', 'tier') }} as tier,
    {{ json_text('scope', 'channel') }} as channel,
    {{ json_as_words(json_text('scope', 'tags')) }} as tags,
    messaged_at,
    false as is_ghost,
    counts_toward_caps

from reserved
