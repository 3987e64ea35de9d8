-- ref() cannot close this loop: a decision reads the decisions before it
{%- set decisions = relation_before_run('trigger_decisions') %}

with

decisions as (

    {% if decisions %}
    select
        decision_id,
        trigger_name,
        user_key,
        session_id,
        account_id,
        moment_at,
        decided_at,
        outcome,
        deferred_until,
        tier,
        channel,
        tags,
        counts_toward_caps,
        experiment,
        arm

    from {{ decisions }}
    {% else %}
        select
            cast(null as {{ dbt.type_string() }}) as decision_id,
            cast(null as {{ dbt.type_string() }}) as trigger_name,
            cast(null as {{ dbt.type_string() }}) as user_key,
            cast(null as {{ dbt.type_string() }}) as session_id,
            cast(null as {{ dbt.type_string() }}) as account_id,
            cast(null as {{ dbt.type_timestamp() }}) as moment_at,
            cast(null as {{ dbt.type_timestamp() }}) as decided_at,
            cast(null as {{ dbt.type_string() }}) as outcome,
            cast(null as {{ dbt.type_timestamp() }}) as deferred_until,
            cast(null as {{ dbt.type_string() }}) as tier,
            cast(null as {{ dbt.type_string() }}) as channel,
            cast(null as {{ dbt.type_string() }}) as tags,
            cast(null as {{ dbt.type_boolean() }}) as counts_toward_caps,
            cast(null as {{ dbt.type_string() }}) as experiment,
            cast(null as {{ dbt.type_string() }}) as arm
        where false
    {% endif %}

)

select
    *,
    row_number() over (
        partition by decision_id
        order by case when outcome = 'deferred' then 1 else 0 end, decided_at desc
    ) = 1 as is_latest

from decisions
