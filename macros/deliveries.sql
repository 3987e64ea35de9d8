{#- The columns of a delivered event, once named: what the verdict over it is computed from. -#}
{% macro delivery_columns() -%}
landing, batch_at, event_key, event_id, user_id, anonymous_id, event_name, source_event_name, event_at,
event_at_text, page_url, device_type, user_agent, properties, category, is_in_catalog, is_interaction,
is_milestone, is_key_cta, source, source_file, source_line, loaded_at
{%- endmacro %}


{#- The properties that an event must carry, collected into one value for first_missing_property(). -#}
{% macro required_properties(name, data_type) -%}
{{ return(adapter.dispatch("required_properties")(name, data_type)) }}
{%- endmacro %}

{% macro default__required_properties(name, data_type) -%}
list({'name': {{ name }}, 'data_type': {{ data_type }}} order by {{ name }})
{%- endmacro %}


{#- The first of the required properties, by name, that is missing or of another type; null if all is well. -#}
{% macro first_missing_property(properties, required) -%}
{{ return(adapter.dispatch("first_missing_property")(properties, required)) }}
{%- endmacro %}

{% macro default__first_missing_property(properties, required) -%}
list_filter({{ required }}, lambda property: case property.data_type
    when 'number'
        then try_cast(json_extract_string({{ properties }}, '$.' || property.name) as double) is null
    when 'boolean'
        then coalesce(
            json_extract_string({{ properties }}, '$.' || property.name) not in ('true', 'false'), true
        )
    else coalesce(json_extract_string({{ properties }}, '$.' || property.name), '') = ''
end)[1].name
{%- endmacro %}


{#- A whole number that stands for a text: joins and scans on it cost a fraction of those on the text.
    Another version of the engine may hash differently, so hash_key_version() belongs to the versions of plan
    and configuration. -#}
{% macro hash_key(text) -%}
{{ return(adapter.dispatch("hash_key")(text)) }}
{%- endmacro %}

{% macro default__hash_key(text) -%}
hash({{ text }})
{%- endmacro %}

{% macro postgres__hash_key(text) -%}
('x' || left(md5({{ text }}), 16))::bit(64)::bigint
{%- endmacro %}

{% macro spark__hash_key(text) -%}
xxhash64({{ text }})
{%- endmacro %}


{#- How the engine hashes, as text: numbers stored under another version are not to be trusted. -#}
{% macro hash_key_version() -%}
{%- set found = answer(
    "select " ~ hash_key("'a'") ~ " as short_text, " ~ hash_key("'" ~ "a" * 64 ~ "'") ~ " as long_text"
) -%}
{{ return(found[0] | join("-")) }}
{%- endmacro %}
