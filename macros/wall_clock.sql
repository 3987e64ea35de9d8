{#- What the clock on somebody's wall shows at an instant (naive UTC); the zone must be one that the
    warehouse knows (see time_zones). -#}
{% macro wall_clock(instant, zone) -%}
{{ return(adapter.dispatch("wall_clock")(instant, zone)) }}
{%- endmacro %}

{% macro default__wall_clock(instant, zone) -%}
timezone({{ zone }}, timezone('UTC', {{ instant }}))
{%- endmacro %}

{% macro spark__wall_clock(instant, zone) -%}
from_utc_timestamp({{ instant }}, {{ zone }})
{%- endmacro %}


{#- The instant (naive UTC) at which the clock on the wall shows a time. A time that a change of the clock
    skips moves on by what was skipped. -#}
{% macro instant_of(wall_time, zone) -%}
{{ return(adapter.dispatch("instant_of")(wall_time, zone)) }}
{%- endmacro %}

{% macro default__instant_of(wall_time, zone) -%}
timezone('UTC', timezone({{ zone }}, {{ wall_time }}))
{%- endmacro %}

{% macro spark__instant_of(wall_time, zone) -%}
to_utc_timestamp({{ wall_time }}, {{ zone }})
{%- endmacro %}


{#- The names of time zones that wall_clock() takes, as a relation with the column `name`. -#}
{% macro time_zone_names() -%}
{{ return(adapter.dispatch("time_zone_names")()) }}
{%- endmacro %}

{% macro default__time_zone_names() -%}
pg_timezone_names()
{%- endmacro %}

{% macro postgres__time_zone_names() -%}
pg_timezone_names
{%- endmacro %}


{#- The instant at which the next day or week begins on somebody's wall. -#}
{% macro next_midnight(instant, zone, unit) -%}
{{ instant_of("(date_trunc('" ~ unit ~ "', " ~ wall_clock(instant, zone) ~ ") + interval '1 " ~ unit ~ "')", zone) }}
{%- endmacro %}
