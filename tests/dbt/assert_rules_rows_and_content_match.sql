-- a rule without a row would never be decided well, and a row without a rule does nothing
{%- set rules = [] %}
{%- if execute %}
    {%- for node in graph.nodes.values() if node.resource_type == 'model' and 'rules' in node.fqn %}
        {%- do rules.append(node.name) %}
    {%- endfor %}
{%- endif %}

with

rules as (
    {% for rule in rules | sort %}
        select '{{ rule }}' as trigger_name
        {%- if not loop.last %} union all{% endif %}
    {%- endfor %}

),

rows_of_seed as (

    select * from {{ ref('triggers') }}

),

listed as (

    select '{{ model_names_of("trigger_moments") }}' as trigger_names

),

fallbacks as (

    select content_key
    from {{ ref('content') }}
    where segment = '*' and arm = '*'
    group by content_key

)

select
    coalesce(rules.trigger_name, rows_of_seed.trigger_name) as trigger_name,
    case
        when rows_of_seed.trigger_name is null then 'no row in seeds/triggers.csv'
        when rules.trigger_name is null then 'no file in models/triggers/rules'
        when fallbacks.content_key is null then 'no fallback in seeds/content.csv'
        else 'not listed in models/triggers/trigger_moments.sql'
    end as what_is_missing

from rules
full outer join rows_of_seed
    on rules.trigger_name = rows_of_seed.trigger_name
left join fallbacks
    on rows_of_seed.content_key = fallbacks.content_key
cross join listed

where
    rules.trigger_name is null
    or rows_of_seed.trigger_name is null
    or fallbacks.content_key is null
    or listed.trigger_names not like '%|' || rules.trigger_name || '|%'
