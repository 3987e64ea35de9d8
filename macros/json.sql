{#- One field of a JSON object as text; null where it is missing or null. -#}
{% macro json_text(json, field) -%}
{{ return(adapter.dispatch("json_text")(json, field)) }}
{%- endmacro %}

{% macro default__json_text(json, field) -%}
json_extract_string({{ json }}, '$.{{ field }}')
{%- endmacro %}

{% macro postgres__json_text(json, field) -%}
(({{ json }})::jsonb #>> '{{ "{" ~ field | replace(".", ",") ~ "}" }}')
{%- endmacro %}

{% macro spark__json_text(json, field) -%}
get_json_object({{ json }}, '$.{{ field }}')
{%- endmacro %}


{#- One field as a number; null where it is missing or is no number. -#}
{% macro json_number(json, field) -%}
{{ try_number(json_text(json, field)) }}
{%- endmacro %}


{#- Text as a number; null where it is none. -#}
{% macro try_number(text) -%}
{{ return(adapter.dispatch("try_number")(text)) }}
{%- endmacro %}

{% macro default__try_number(text) -%}
try_cast({{ text }} as double)
{%- endmacro %}

{% macro postgres__try_number(text) -%}
case when {{ text }} ~ '^-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$' then ({{ text }})::double precision end
{%- endmacro %}


{#- A JSON object, as text, of names and expressions: json_object({"seconds": "gap_seconds"}). -#}
{% macro json_object(fields) -%}
{{ return(adapter.dispatch("json_object")(fields)) }}
{%- endmacro %}

{% macro default__json_object(fields) -%}
cast(json_object({% for name, value in fields.items() -%}
    '{{ name }}', {{ value }}{{ ", " if not loop.last }}
{%- endfor %}) as varchar)
{%- endmacro %}

{% macro postgres__json_object(fields) -%}
cast(jsonb_build_object({% for name, value in fields.items() -%}
    '{{ name }}', {{ value }}{{ ", " if not loop.last }}
{%- endfor %}) as text)
{%- endmacro %}

{% macro spark__json_object(fields) -%}
to_json(named_struct({% for name, value in fields.items() -%}
    '{{ name }}', {{ value }}{{ ", " if not loop.last }}
{%- endfor %}))
{%- endmacro %}
