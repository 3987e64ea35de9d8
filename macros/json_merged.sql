{#- Two JSON objects, as text, as one; where both have a field, the second one's holds. -#}
{% macro json_merged(first, second) -%}
{{ return(adapter.dispatch("json_merged")(first, second)) }}
{%- endmacro %}

{% macro default__json_merged(first, second) -%}
cast(json_merge_patch({{ first }}, {{ second }}) as varchar)
{%- endmacro %}

{% macro postgres__json_merged(first, second) -%}
cast(({{ first }})::jsonb || ({{ second }})::jsonb as text)
{%- endmacro %}

{% macro spark__json_merged(first, second) -%}
to_json(map_concat(
    map_filter(
        from_json({{ first }}, 'map<string,string>'),
        (name, value) -> not map_contains_key(from_json({{ second }}, 'map<string,string>'), name)
    ),
    from_json({{ second }}, 'map<string,string>')
))
{%- endmacro %}
