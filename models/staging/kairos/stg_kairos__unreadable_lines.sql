with

lines as (

    select * from {{ source('raw', 'unreadable_lines') }}
    where loaded_at <= {{ as_of() }}

)

select
    payload,
    reason as rejection_reason,
    source,
    source_file,
    source_line,
    loaded_at

from lines
