{#- The SHA-256 of a text, in hexadecimal: what platforms compare where they take no plain addresses. -#}
{% macro sha256_text(text) -%}
{{ return(adapter.dispatch("sha256_text")(text)) }}
{%- endmacro %}

{% macro default__sha256_text(text) -%}
sha256({{ text }})
{%- endmacro %}

{% macro postgres__sha256_text(text) -%}
encode(sha256(convert_to({{ text }}, 'UTF8')), 'hex')
{%- endmacro %}

{% macro spark__sha256_text(text) -%}
sha2({{ text }}, 256)
{%- endmacro %}


{#- The hash of an address, normalised as platforms do it: without spaces around it, in small letters. A source
    that hashes it itself is believed, so that both kinds of source speak of one address alike. -#}
{% macro email_hash(given, address) -%}
coalesce(
    nullif(lower(trim({{ given }})), ''),
    {{ sha256_text("nullif(lower(trim(" ~ address ~ ")), '')") }}
)
{%- endmacro %}


{#- A JSON value as the hash of its text, as JSON again: what stands for something personal. -#}
{% macro hashed_value(json) -%}
coalesce(
    '"' || {{ sha256_text("lower(trim(" ~ json_text("'{\"value\":' || " ~ json ~ " || '}'", "value") ~ "))") }} || '"',
    'null'
)
{%- endmacro %}
