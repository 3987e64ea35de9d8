{{ config(materialized="view") }}

with

decisions as (

    select * from {{ ref('current_decisions') }}
    where outcome = 'send'

),

contents as (

    select * from {{ ref('decision_contents') }}

),

people as (

    select * from {{ ref('users') }}

)

select
    {{ hash_id(["decisions.destination", "decisions.decision_id"]) }} as idempotency_key,
    decisions.destination,
    decisions.content_key as object_key,
    decisions.user_key,
    decisions.decision_id,
    {{ json_object({
        "trigger_name": "decisions.trigger_name",
        "content_key": "decisions.content_key",
        "moment_at": iso_text("decisions.moment_at"),
        "content": as_json("contents.payload"),
    }) }} as payload,
    {{ json_object({
        "trigger_name": "decisions.trigger_name",
        "channel": "decisions.channel",
        "tags": as_json(words_as_json("decisions.tags")),
        "tier": "decisions.tier",
        "session_id": "decisions.session_id",
        "account_id": "decisions.account_id",
        "time_zone": "people.time_zone",
        "bypass_caps": "decisions.bypass_caps",
        "counts_toward_caps": "decisions.counts_toward_caps",
    }) }} as scope,
    decisions.tier,
    decisions.priority,
    decisions.decided_at,
    decisions.expires_at

from decisions
left join contents
    on decisions.decision_id = contents.decision_id
left join people
    on decisions.user_key = people.user_key
