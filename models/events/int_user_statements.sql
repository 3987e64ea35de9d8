-- what is said of people, found among all events once for all models that read it. A further source
-- of people is one more staging model and one more `union all`
select * from {{ ref('stg_kairos__users') }}
union all
select * from {{ ref('stg_kairos__identified_users') }}
union all
select * from {{ ref('stg_segment__users') }}
union all
select * from {{ ref('stg_amplitude__users') }}
