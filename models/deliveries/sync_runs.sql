{%- set states = [
    'planned', 'reserved', 'in_flight', 'accepted', 'delivered', 'shown', 'rejected', 'retryable',
    'unknown', 'invalid', 'suppressed', 'expired',
] %}

select
    run_id,
    destination,
    started_at,
    finished_at,
    status,
    {%- for state in states %}
        coalesce(cast({{ json_number('counts', state) }} as bigint), 0) as {{ state }}_count,
    {%- endfor %}
    request_count

from {{ ref('stg_ledger__sync_runs') }}
