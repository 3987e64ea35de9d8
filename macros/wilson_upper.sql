{#- Upper end of the 95 % Wilson interval of a share: what it may truly be, given how few were seen. -#}
{% macro wilson_upper(successes, trials) -%}
((({{ successes }}) + 1.9208 + 1.96 * sqrt(
    ({{ successes }}) * (({{ trials }}) - ({{ successes }})) / nullif(1.0 * ({{ trials }}), 0) + 0.9604
)) / (nullif(1.0 * ({{ trials }}), 0) + 3.8416))
{%- endmacro %}
