{#- A deterministic id of what identifies a thing. Pass text and whole numbers only: a timestamp goes in
    as epoch_ms(), because its text differs between engines. A null is told apart from the empty text. -#}
{% macro hash_id(parts) -%}
md5(concat_ws('|', {% for part in parts -%}
    coalesce(cast({{ part }} as {{ dbt.type_string() }}), '~'){{ ", " if not loop.last }}
{%- endfor %}))
{%- endmacro %}
