with

requests as (

    select * from {{ source('raw', 'resyncs') }}
    where loaded_at <= {{ as_of() }}

)

-- the last request has all that the ones before it asked for
select
    destination,
    max(ledger_sequence) as ledger_sequence,
    max(requested_at) as requested_at

from requests
group by destination
