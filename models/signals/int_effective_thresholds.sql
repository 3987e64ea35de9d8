-- which threshold holds for which segment and when: a segment's own row goes before that of '*'
with

thresholds as (

    select * from {{ ref('signal_thresholds') }}

),

segments as (

    select segment from {{ ref('user_segments') }}

    union

    select segment from thresholds

),

candidates as (

    select
        thresholds.signal_name,
        segments.segment,
        thresholds.segment = '*' as is_general,
        thresholds.threshold,
        thresholds.escalation,
        thresholds.minimum_count,
        thresholds.version,
        thresholds.valid_from,
        thresholds.valid_to

    from thresholds
    inner join segments on thresholds.segment in (segments.segment, '*')

),

changes as (

    select
        signal_name,
        segment,
        valid_from as effective_from
    from candidates

    union

    select
        signal_name,
        segment,
        valid_to as effective_from
    from candidates
    where valid_to is not null

),

periods as (

    select
        *,
        lead(effective_from) over (
            partition by signal_name, segment order by effective_from
        ) as effective_until

    from changes

),

ranked as (

    select
        periods.*,
        candidates.threshold,
        candidates.escalation,
        candidates.minimum_count,
        candidates.version,
        row_number() over (
            partition by periods.signal_name, periods.segment, periods.effective_from
            order by
                candidates.is_general asc, candidates.valid_from desc, candidates.version desc
        ) as preference

    from periods
    inner join candidates
        on
            periods.signal_name = candidates.signal_name
            and periods.segment = candidates.segment
            and periods.effective_from >= candidates.valid_from
            and (periods.effective_from < candidates.valid_to or candidates.valid_to is null)

)

select
    signal_name,
    segment,
    effective_from,
    effective_until,
    threshold,
    escalation,
    minimum_count,
    version

from ranked
where preference = 1
