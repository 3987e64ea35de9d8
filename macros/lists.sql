{#- Lists in configuration are words parted by bars: `help|pause`. This makes one row of each word;
    it stands in a select list, and a row without words vanishes. -#}
{% macro each_word(words) -%}
{{ return(adapter.dispatch("each_word")(words)) }}
{%- endmacro %}

{% macro default__each_word(words) -%}
unnest(string_split(nullif({{ words }}, ''), '|'))
{%- endmacro %}

{% macro postgres__each_word(words) -%}
unnest(string_to_array(nullif({{ words }}, ''), '|'))
{%- endmacro %}

{% macro spark__each_word(words) -%}
explode(split(nullif({{ words }}, ''), '[|]'))
{%- endmacro %}


{#- The same words as the text of a JSON array. Words hold no quotes: a test on the seeds says so. -#}
{% macro words_as_json(words) -%}
coalesce('["' || replace(nullif({{ words }}, ''), '|', '","') || '"]', '[]')
{%- endmacro %}


{#- A JSON text inside json_object(), so that it nests instead of being quoted. -#}
{% macro as_json(text) -%}
{{ return(adapter.dispatch("as_json")(text)) }}
{%- endmacro %}

{% macro default__as_json(text) -%}
cast({{ text }} as json)
{%- endmacro %}

{% macro postgres__as_json(text) -%}
({{ text }})::jsonb
{%- endmacro %}


{#- One JSON array of many rows' JSON texts, sorted by their text, so that equal rows give equal text; null
    where there is none. -#}
{% macro json_array_of(value) -%}
{{ return(adapter.dispatch("json_array_of")(value)) }}
{%- endmacro %}

{% macro default__json_array_of(value) -%}
'[' || array_to_string(list_sort(list({{ value }}) filter (where {{ value }} is not null)), ',') || ']'
{%- endmacro %}

{% macro postgres__json_array_of(value) -%}
'[' || string_agg({{ value }}, ',' order by {{ value }}) || ']'
{%- endmacro %}


{#- The texts in a JSON array, one row each. -#}
{% macro each_json_text(json) -%}
{{ return(adapter.dispatch("each_json_text")(json)) }}
{%- endmacro %}

{% macro default__each_json_text(json) -%}
unnest(json_extract_string({{ json }}, '$[*]'))
{%- endmacro %}

{% macro postgres__each_json_text(json) -%}
jsonb_array_elements_text(cast({{ json }} as jsonb))
{%- endmacro %}

{% macro spark__each_json_text(json) -%}
explode(from_json({{ json }}, 'array<string>'))
{%- endmacro %}


{#- The text of a JSON array of plain words as words parted by bars: the reverse of words_as_json(). -#}
{% macro json_as_words(json) -%}
replace(replace(replace(replace(replace({{ json }}, '[', ''), ']', ''), '", "', '|'), '","', '|'), '"', '')
{%- endmacro %}
