{#- A statement that is true of every row. -#}
{% test expression_holds(model, expression) %}

select * from {{ model }}
where not coalesce({{ expression }}, false)

{% endtest %}
