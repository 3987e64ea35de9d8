{{ config(materialized="view") }}

with

decisions as (

    select * from {{ ref('current_decisions') }}
    where outcome = 'send'

),

people as (

    select * from {{ ref('users') }}

),

contents as (

    select * from {{ ref('content') }}

),

-- the most specific row wins: segment and arm, then segment, then arm, then the fallback
ranked as (

    select
        decisions.decision_id,
        contents.payload,
        row_number() over (
            partition by decisions.decision_id
            order by
                case when contents.segment = '*' then 1 else 0 end,
                case when contents.arm = '*' then 1 else 0 end,
                contents.payload
        ) as fit

    from decisions
    left join people
        on decisions.user_key = people.user_key
    inner join contents
        on
            decisions.content_key = contents.content_key
            and contents.segment in ('*', people.segment)
            and contents.arm in ('*', decisions.arm)

)

select
    decision_id,
    payload

from ranked
where fit = 1
