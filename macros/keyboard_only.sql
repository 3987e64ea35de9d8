{#- Whether what is known of a session so far came from a keyboard or an assistive device alone. -#}
{% macro keyboard_only(progress) -%}
({{ progress }}.keyboard_count > 0 and {{ progress }}.pointer_count = 0)
{%- endmacro %}
