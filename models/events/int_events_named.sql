{{ config(materialized='view') }}

with

delivered as (

    select * from {{ ref('int_events_unioned') }}

),

aliases as (

    select * from {{ ref('event_aliases') }}

),

catalog as (

    select * from {{ ref('event_catalog') }}

),

-- an alias of the event's own source goes before one that holds for every source
named as (

    select
        delivered.*,
        coalesce(
            of_source.event_name,
            of_all.event_name,
            replace(lower(delivered.source_event_name), ' ', '_')
        ) as event_name

    from delivered
    left join aliases as of_source
        on
            lower(delivered.source_event_name) = of_source.alias
            and delivered.source = of_source.source
    left join aliases as of_all
        on
            lower(delivered.source_event_name) = of_all.alias
            and of_all.source = '*'

)

select
    named.*,
    catalog.event_name is not null as is_in_catalog,
    coalesce(catalog.category, 'unknown') as category,
    coalesce(catalog.is_interaction, false) as is_interaction,
    coalesce(catalog.is_milestone, false) as is_milestone,
    coalesce(catalog.is_key_cta, false) as is_key_cta

from named
left join catalog on named.event_name = catalog.event_name
