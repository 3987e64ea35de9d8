{{ config(materialized="view") }}

select zones.name as time_zone
from {{ time_zone_names() }} as zones
