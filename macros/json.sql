{#- One field of a JSON object as text; null where it is missing or null. A path has dots; a name with
    other than letters, digits and underscores stands in double quotes. -#}
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
get_json_object({{ json }}, '$.{{ field | replace('"', '') }}')
{%- endmacro %}


{#- Several fields as a list of texts, counted from 1: the object is read once, not once for each. -#}
{% macro json_texts(json, fields) -%}
{{ return(adapter.dispatch("json_texts")(json, fields)) }}
{%- endmacro %}

{% macro default__json_texts(json, fields) -%}
json_extract_string({{ json }}, [{% for field in fields %}'$.{{ field }}'{{ ", " if not loop.last }}{% endfor %}])
{%- endmacro %}

{% macro postgres__json_texts(json, fields) -%}
array[{% for field in fields %}{{ json_text(json, field) }}{{ ", " if not loop.last }}{% endfor %}]
{%- endmacro %}

{#- Spark counts from 0. -#}
{% macro spark__json_texts(json, fields) -%}
array(null, {% for field in fields %}{{ json_text(json, field) }}{{ ", " if not loop.last }}{% endfor %})
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


{#- One field whose name is itself a column: json_field('properties', 'property_name'). -#}
{% macro json_field(json, name) -%}
{{ return(adapter.dispatch("json_field")(json, name)) }}
{%- endmacro %}

{% macro default__json_field(json, name) -%}
json_extract_string({{ json }}, '$.' || {{ name }})
{%- endmacro %}

{% macro postgres__json_field(json, name) -%}
(({{ json }})::jsonb ->> {{ name }})
{%- endmacro %}

{% macro spark__json_field(json, name) -%}
get_json_object({{ json }}, '$.' || {{ name }})
{%- endmacro %}


{#- Whether text is a JSON object. -#}
{% macro is_json_object(text) -%}
{{ return(adapter.dispatch("is_json_object")(text)) }}
{%- endmacro %}

{% macro default__is_json_object(text) -%}
coalesce(json_valid({{ text }}) and starts_with(ltrim({{ text }}), '{'), false)
{%- endmacro %}


{#- Several rows as one JSON object, as text, its names in order. -#}
{% macro json_object_agg(name, value) -%}
{{ return(adapter.dispatch("json_object_agg")(name, value)) }}
{%- endmacro %}

{% macro default__json_object_agg(name, value) -%}
'{' || string_agg('"' || {{ name }} || '": ' || {{ value }}, ', ' order by {{ name }}) || '}'
{%- endmacro %}


{#- The names in a JSON object, one row each. -#}
{% macro each_json_name(text) -%}
{{ return(adapter.dispatch("each_json_name")(text)) }}
{%- endmacro %}

{% macro default__each_json_name(text) -%}
unnest(json_keys({{ text }}))
{%- endmacro %}

{% macro postgres__each_json_name(text) -%}
jsonb_object_keys(cast({{ text }} as jsonb))
{%- endmacro %}

{% macro spark__each_json_name(text) -%}
explode(json_object_keys({{ text }}))
{%- endmacro %}
