{#- FNV-1a, 32 bits, over the code points of a text, as a whole number. -#}
{% macro fnv1a32(text) -%}
{{ return(adapter.dispatch("fnv1a32")(text)) }}
{%- endmacro %}

{% macro default__fnv1a32(text) -%}
list_reduce(
    list_transform(string_split({{ text }}, ''), lambda letter: cast(unicode(letter) as ubigint)),
    lambda hash, letter: (xor(hash, letter) * 16777619) & 4294967295,
    cast(2166136261 as ubigint)
)
{%- endmacro %}


{#- Where a unit falls in [0, 1), in steps of a ten-thousandth: the same unit under the same seed always at
    the same place, and under another seed at a place that has nothing to do with it. The double hash
    breaks the likeness between neighbouring ids. reverse_etl/assignment.py is the same in Python. -#}
{% macro assigned_place(seed, unit) -%}
({{ fnv1a32("cast(" ~ fnv1a32("(" ~ seed ~ ") || (" ~ unit ~ ")") ~ " as varchar)") }} % 10000) / 10000.0
{%- endmacro %}


{#- Whether somebody is among those for whom a row holds: the places from bucket_from up to bucket_to, by its
    hash_seed. A row without a hash_seed is everybody's. An end that is left out is open, and who is unknown
    comes before the first place. -#}
{% macro is_in_arm(row, user_key) -%}
{%- set place = "coalesce(" ~ assigned_place(row ~ ".hash_seed", user_key) ~ ", -1)" -%}
(
    {{ row }}.hash_seed is null
    or (
        {{ place }} >= coalesce({{ row }}.bucket_from, -1)
        and {{ place }} < coalesce({{ row }}.bucket_to, 1)
    )
)
{%- endmacro %}
