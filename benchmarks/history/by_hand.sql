-- The same sessions and the same signals as the line's, in one pass over raw.events, as somebody would write it
-- who knows DuckDB well and has neither late data, nor segments with thresholds of their own, nor a second
-- source. Left out, in its favour: rejects and their reasons, aliases, bots, scores, evidence.
-- {as_of} is put in by by_hand.py.

-- of several deliveries of one event the first counts
create temp table repeats as
select rowid as delivery
from (
    select
        rowid,
        row_number() over (partition by event_id order by loaded_at, source_file, source_line) as n
    from history.raw.events
    where event_id in (select event_id from history.raw.events group by event_id having count(*) > 1)
)
where n > 1;

create table events as
with

parsed as (

    select
        event_id,
        nullif(trim(user_id), '') as user_id,
        nullif(trim(anonymous_id), '') as anonymous_id,
        replace(lower(trim(event_name)), ' ', '_') as event_name,
        timezone('UTC', try_cast(event_at as timestamptz)) as event_at,
        page_url,
        device_type,
        loaded_at,
        json_extract_string(properties, [
            '$.page_view_id', '$.scroll_offset_max', '$.viewport_height', '$.doc_height',
            '$.detail', '$.x', '$.y', '$.element_id', '$.viewport_scale', '$.pointer_type',
            '$.duration_ms', '$.cta_id', '$.form_id', '$.setup_id', '$.tip_id', '$.element_kind'
        ]) as p
    from history.raw.events
    where
        trim(event_id) != ''
        and loaded_at <= {as_of}
        and json_valid(properties)
        and rowid not in (select delivery from repeats)

)

select
    event_id,
    user_id,
    coalesce(anonymous_id, user_id) as actor_id,
    event_name,
    coalesce(category, 'unknown') as category,
    coalesce(is_interaction, false) as is_interaction,
    coalesce(is_milestone, false) as is_milestone,
    event_at,
    page_url,
    device_type,
    p[1] as page_view_id,
    case
        when
            try_cast(p[4] as double) > 0
            and try_cast(p[3] as double) > 0
            and try_cast(p[2] as double) is not null
            then least(
                100.0 * (greatest(try_cast(p[2] as double), 0) + try_cast(p[3] as double))
                / try_cast(p[4] as double), 100.0
            )
    end as seen_pct,
    try_cast(p[4] as double) / nullif(try_cast(p[3] as double), 0) as page_length_ratio,
    coalesce(p[5] = '0', false) as is_assistive,
    try_cast(p[6] as double) as x,
    try_cast(p[7] as double) as y,
    p[8] as element_id,
    coalesce(try_cast(p[9] as double), 1) as viewport_scale,
    coalesce(p[10] = 'touch', lower(device_type) in ('mobile', 'phone', 'smartphone', 'tablet'), false)
        as is_touch,
    try_cast(p[11] as double) / 1000.0 as dwell_seconds,
    p[12] as cta_id,
    p[13] as form_id,
    p[14] as setup_id,
    p[15] as tip_id,
    lower(p[16]) as element_kind
from parsed
left join history.kairos.event_catalog using (event_name)
where
    event_at <= loaded_at + interval 1 hour
    and coalesce(anonymous_id, user_id) is not null
    and case
        when event_name in ('cta_impression', 'cta_click', 'cta_click_failed', 'cta_skipped')
            then p[12] != ''
        when event_name in ('form_started', 'form_submitted') then p[13] != ''
        when event_name in ('setup_started', 'setup_completed') then p[14] != ''
        when event_name in ('help_tip_shown', 'help_tip_dismissed') then p[15] != ''
        when event_name = 'hover' then p[8] != '' and try_cast(p[11] as double) is not null
        else true
    end;

-- islands of one actor's events, parted where they last longer than a day
create table starts as
with recursive

gaps as (

    select
        actor_id,
        event_at,
        event_id,
        lag(event_at) over timeline as previous_at,
        max(event_at) over (partition by actor_id) as last_at
    from events
    window timeline as (partition by actor_id order by event_at, event_id)

),

islands as (

    select
        actor_id,
        event_at as started_at,
        event_id as first_event_id,
        event_id as island_event_id,
        coalesce(
            lead(previous_at) over (partition by actor_id order by event_at, event_id), last_at
        ) as ended_at
    from gaps
    where coalesce(epoch_ms(event_at) - epoch_ms(previous_at) > 1800000, true)

),

parts as (

    select * from islands
    union all
    select
        actor_id,
        min(event_at) as started_at,
        arg_min(event_id, (event_at, event_id)) as first_event_id,
        island_event_id,
        ended_at
    from parts
    inner join events using (actor_id)
    where
        ended_at > started_at + interval 24 hour
        and event_at > started_at + interval 24 hour
        and event_at <= ended_at
    group by actor_id, started_at, island_event_id, ended_at

)

select
    actor_id,
    started_at,
    md5(actor_id || '|' || first_event_id) as session_id,
    md5(actor_id || '|' || island_event_id) as island_id
from parts;

create table steps as
with

placed as (

    select
        events.*,
        starts.session_id,
        starts.island_id,
        last_value(user_id ignore nulls) over (
            partition by events.actor_id order by event_at, event_id
        ) as known_user_id
    from events
    asof inner join starts
        on events.actor_id = starts.actor_id and events.event_at >= starts.started_at

),

classified as (

    select
        * exclude (known_user_id, page_view_id),
        coalesce(user_id, known_user_id, actor_id) as user_key,
        page_view_id as own_page_view_id,
        category = 'keyboard' or (category = 'click' and is_assistive) as is_keyboard,
        is_interaction or category in ('visibility', 'unknown') as is_breaking
    from placed

)

select
    * exclude (own_page_view_id),
    coalesce(own_page_view_id, last_value(
        case
            when event_name = 'page_view'
                then coalesce(own_page_view_id, md5('page_view|' || event_id))
        end ignore nulls
    ) over in_pages) as page_view_id,
    sum((category in ('pointer', 'click') and not is_keyboard)::int) over so_far as pointer_count,
    sum(is_keyboard::int) over so_far as keyboard_count,
    sum((event_name = 'pointer_move')::int) over so_far as move_count,
    sum((event_name = 'video_started')::int - (event_name = 'video_stopped')::int) over (
        partition by island_id order by event_at, event_id rows unbounded preceding
    ) > 0 as is_media_playing,
    bool_or(seen_pct is not null or page_length_ratio is not null) over so_far as is_measured,
    min(case when is_breaking then event_at end) over after_it as broken_at,
    keyboard_count > 0 and pointer_count = 0 as is_keyboard_only
from classified
window
    so_far as (partition by session_id order by event_at, event_id rows unbounded preceding),
    after_it as (
        partition by island_id order by event_at, event_id
        rows between 1 following and unbounded following
    ),
    in_pages as (
        partition by island_id order by event_at, event_name != 'page_view', event_id
        rows unbounded preceding
    );

create table sessions as
with

pages as (

    select
        session_id,
        page_view_id,
        min(page_url) as page_url,
        min(event_at) as viewed_at,
        sum(case when credit_ms > 10000 then 10000 else credit_ms end) as engaged_ms
    from (
        select
            *,
            case
                when is_interaction or category = 'heartbeat'
                    then epoch_ms(lead(event_at) over (
                        partition by session_id, page_view_id order by event_at, event_id
                    )) - epoch_ms(event_at)
            end as credit_ms
        from steps
        where page_view_id is not null
    )
    group by session_id, page_view_id

),

visits as (

    select
        session_id,
        count(*) as page_view_count,
        sum(engaged_ms) / 1000 as engaged_seconds,
        arg_min(page_url, (viewed_at, page_view_id)) as entry_page,
        arg_max(page_url, (viewed_at, page_view_id)) as exit_page
    from pages
    group by session_id

)

select
    steps.session_id,
    any_value(actor_id) as actor_id,
    arg_max(user_key, (event_at, event_id)) as user_key,
    min(event_at) as started_at,
    max(event_at) as ended_at,
    count(*) as event_count,
    max(pointer_count) as pointer_count,
    max(keyboard_count) as keyboard_count,
    arg_min(device_type, (event_at, event_id)) as device_type,
    any_value(page_view_count) as page_view_count,
    any_value(engaged_seconds) as engaged_seconds,
    any_value(entry_page) as entry_page,
    any_value(exit_page) as exit_page
from steps
left join visits using (session_id)
group by steps.session_id;

create temp table exits as
with

spans as (

    select
        island_id,
        page_view_id,
        lead(event_at) over timeline as next_at,
        lead(event_id) over timeline as next_id
    from (
        -- a page that is already open is not opened again
        select * from steps
        where event_name = 'page_view'
        qualify
            row_number() over (
                partition by island_id, page_view_id order by event_at, event_id
            ) = 1
    )
    window timeline as (partition by island_id order by event_at, event_id)

),

leaves as (

    select
        island_id,
        page_view_id,
        min(event_at) as said_at,
        arg_min(event_id, (event_at, event_id)) as said_by
    from steps
    where event_name = 'page_leave'
    group by island_id, page_view_id

),

left_pages as (

    select
        page_view_id,
        case when said_at <= coalesce(next_at, said_at) then said_at else next_at end as left_at,
        case when said_at <= coalesce(next_at, said_at) then said_by else next_id end as event_id
    from spans
    left join leaves using (island_id, page_view_id)
    where said_at is not null or next_at is not null

)

select left_pages.*, steps.session_id, steps.island_id
from left_pages
inner join steps using (event_id);

create temp table silences as
select
    *,
    broken_at is null or broken_at >= event_at + interval 12 second as is_pause
from steps
where is_interaction and not is_media_playing;

create table signals (
    signal_name varchar, session_id varchar, actor_id varchar, user_key varchar, event_id varchar,
    detected_at timestamp, value double, is_escalated boolean, is_applicable boolean
);

insert into signals
select
    'session_pause', session_id, actor_id, user_key, event_id, event_at + interval 12 second,
    12, false, not is_keyboard_only
from silences
where is_pause and event_at + interval 12 second <= {as_of}
union all
select
    'session_pause', silence.session_id, actor_id, user_key, event_id,
    coalesce(heartbeat.event_at, broken_at), 30, true, not is_keyboard_only
from silences as silence
asof left join (
    select island_id, event_at from steps where category = 'heartbeat'
) as heartbeat
    on silence.island_id = heartbeat.island_id
    and heartbeat.event_at > silence.event_at + interval 30 second
where
    is_pause
    and (
        broken_at > silence.event_at + interval 30 second
        or (broken_at is null and heartbeat.event_at <= {as_of})
    );

insert into signals
select
    'shallow_scroll', session_id, actor_id, user_key, event_id, left_at,
    case when is_applicable then seen_pct end, is_applicable and seen_pct < 15, is_applicable
from (
    select
        exits.session_id,
        leaving.actor_id,
        leaving.user_key,
        exits.event_id,
        left_at,
        max(step.seen_pct) as seen_pct,
        max(step.seen_pct) is not null
        and coalesce(max(step.page_length_ratio) > 2.5, true)
        and not leaving.is_keyboard_only as is_applicable
    from exits
    inner join steps as step
        on exits.island_id = step.island_id
        and exits.page_view_id = step.page_view_id
        and step.event_at <= exits.left_at
    inner join steps as leaving
        on exits.session_id = leaving.session_id and exits.event_id = leaving.event_id
    where left_at <= {as_of}
    group by
        exits.session_id, exits.page_view_id, leaving.actor_id, leaving.user_key, exits.event_id,
        left_at, leaving.is_keyboard_only
)
where not is_applicable or seen_pct < 40;

insert into signals
with

counted as (

    select
        *,
        sum((event_name = 'cta_click')::int) over so_far as click_count,
        lag(event_at) over (
            partition by session_id, cta_id, event_name order by event_at, event_id
        ) as previous_at
    from steps
    where event_name in ('cta_impression', 'cta_click', 'cta_click_failed')
    window so_far as (
        partition by session_id, cta_id order by event_at, event_id rows unbounded preceding
    )

)

select
    'cta_failure', session_id, actor_id, user_key, event_id, event_at, 3, false, true
from counted
where
    event_name = 'cta_click_failed'
    and coalesce(epoch_ms(event_at) - epoch_ms(previous_at) >= 1000, true)
qualify
    row_number() over (
        partition by session_id, cta_id, click_count order by event_at, event_id
    ) = 3;

insert into signals
select
    'milestone_reached', session_id, actor_id, user_key, event_id, event_at,
    case when begun_at <= event_at then epoch_ms(event_at) - epoch_ms(begun_at) end, false,
    coalesce(begun_at <= event_at, false)
from (
    select
        steps.*,
        coalesce(case when updated_at <= event_at then signed_up_at end, sign_up.begun_at) as begun_at
    from steps
    left join history.kairos.users using (user_key)
    left join (
        select user_key, min(event_at) as begun_at from steps where event_name = 'sign_up'
        group by user_key
    ) as sign_up using (user_key)
    where is_milestone
);

insert into signals
with

hovers as (

    select * from steps
    where event_name = 'hover'

)

select
    'hover_dwell', session_id, actor_id, user_key, event_id, event_at, dwell_seconds, false,
    not is_touch
from hovers
where
    dwell_seconds >= 2
    and not exists (
        from steps as click
        where
            click.event_name = 'click'
            and click.session_id = hovers.session_id
            and click.element_id = hovers.element_id
            and click.event_at <= hovers.event_at
            and epoch_ms(hovers.event_at) - epoch_ms(click.event_at) <= hovers.dwell_seconds * 1000
    )
union all
select 'hover_dwell', session_id, actor_id, user_key, event_id, event_at, null, false, false
from (
    select
        step.*,
        row_number() over (
            partition by step.session_id order by step.event_at, step.event_id
        ) as exit_number
    from exits
    inner join steps as step
        on exits.session_id = step.session_id and exits.event_id = step.event_id
    left join (
        select session_id, min(event_at) as hovered_at from hovers group by session_id
    ) as first_hover on exits.session_id = first_hover.session_id
    where
        coalesce(hovered_at > step.event_at, true)
        and (step.move_count = 0 or step.is_touch)
)
where exit_number = 1;

insert into signals
with

clicks as (

    select
        steps.*,
        coalesce(is_rage_click_ignored, false) as is_ignored
    from steps
    left join history.kairos.element_kinds using (element_kind)
    where event_name = 'click' and not coalesce(is_rage_click_ignored, false)

),

timeline as (

    select session_id, event_id, event_at, true as is_click, x, y, viewport_scale, page_view_id
    from clicks
    where not is_assistive and x is not null and y is not null
    union all
    select session_id, event_id, event_at, false, null, null, null, null
    from steps
    where event_name in ('scroll', 'text_selected')

),

disturbed as (

    select
        *,
        max(case when not is_click then event_at end) over (
            partition by session_id order by event_at, is_click, event_id rows unbounded preceding
        ) as disturbed_at
    from timeline

),

chained as (

    select
        *,
        coalesce(
            epoch_ms(event_at) - epoch_ms(lag(event_at) over click) < 1000
            and (abs(x - lag(x) over click) + abs(y - lag(y) over click)) * viewport_scale < 30
            and viewport_scale = lag(viewport_scale) over click
            and coalesce(page_view_id = lag(page_view_id) over click, true)
            and coalesce(disturbed_at < lag(event_at) over click, true),
            false
        ) as is_continued
    from disturbed
    where is_click
    window click as (partition by session_id order by event_at, event_id)

),

numbered as (

    select
        *,
        sum((not is_continued)::int) over (
            partition by session_id order by event_at, event_id rows unbounded preceding
        ) as chain_number
    from chained

),

third as (

    select session_id, event_id from numbered
    qualify
        row_number() over (
            partition by session_id, chain_number order by event_at, event_id
        ) = 3

)

select 'rage_click', session_id, actor_id, user_key, event_id, event_at, 3, false, true
from third
inner join clicks using (session_id, event_id)
union all
select
    'rage_click', session_id, actor_id, user_key, event_id, event_at, null, false, false
from (
    select
        *,
        row_number() over (
            partition by session_id, is_keyboard_only order by event_at, event_id
        ) as n
    from clicks
    where is_keyboard_only or (not is_assistive and (x is null or y is null))
)
where n = 1;

insert into signals
with

reactions as (

    select
        *,
        event_name = 'click' as is_click,
        event_name in ('scroll', 'text_selected') as is_gesture
    from steps
    where
        event_name in ('click', 'scroll', 'text_selected')
        or (
            category not in ('click', 'scroll', 'pointer', 'keyboard', 'heartbeat')
            and event_name != 'client_error'
        )

),

followed as (

    select
        *,
        min(case when not is_click and not is_gesture then event_at end) over later as answered_at,
        min(case when is_gesture then event_at end) over later as gesture_at,
        min(case when event_name = 'dom_changed' then event_at end) over (partition by island_id)
            as first_change_at
    from reactions
    window later as (
        partition by island_id order by event_at desc, is_click asc, event_id desc
        rows unbounded preceding
    )

),

unanswered as (

    select
        followed.*,
        case
            when is_keyboard_only then 'keyboard_only'
            when coalesce(first_change_at > event_at + interval 2500 millisecond, true) then 'unseen'
        end as why_not
    from followed
    left join history.kairos.element_kinds using (element_kind)
    where
        is_click
        and not coalesce(is_dead_click_ignored, false)
        and (is_keyboard_only or not is_assistive)
    qualify
        coalesce(
            epoch_ms(event_at) - epoch_ms(lag(event_at) over (
                partition by session_id, coalesce(element_id, event_id) order by event_at, event_id
            )) >= 1000, true
        )

)

select
    'dead_click', session_id, actor_id, user_key, event_id, event_at + interval 2500 millisecond,
    2.5, false, why_not is null
from (
    select
        *,
        row_number() over (
            partition by session_id, why_not order by event_at, event_id
        ) as n
    from unanswered
    where
        coalesce(answered_at >= event_at + interval 2500 millisecond, true)
        and coalesce(epoch_ms(gesture_at) - epoch_ms(event_at) >= 100, true)
)
where
    event_at + interval 2500 millisecond <= {as_of}
    and (why_not is null or n = 1);

insert into signals
with

footsteps as (

    select
        *,
        sum((category not in ('navigation', 'pointer', 'keyboard'))::int) over so_far as deeds,
        sum((category = 'keyboard')::int) over so_far as keys
    from steps
    where event_name = 'page_view' or is_interaction
    window so_far as (partition by session_id order by event_at, event_id rows unbounded preceding)

),

returns as (

    select
        *,
        (epoch_ms(event_at) - epoch_ms(lag(event_at) over visit)) / 1000.0 as dwell
    from footsteps
    where event_name = 'page_view'
    window visit as (partition by session_id order by event_at, event_id)
    qualify
        page_url = lag(page_url, 2) over visit
        and page_url != lag(page_url) over visit
        and deeds = lag(deeds) over visit
        and (is_keyboard_only or keys = lag(keys) over visit)

),

numbered as (

    select
        *,
        row_number() over (partition by session_id order by event_at, event_id) as n
    from returns
    where dwell < 7

)

select
    'rapid_backtrack', session_id, actor_id, user_key, event_id, event_at, dwell, false,
    not is_keyboard_only
from numbered
where n >= 2;

insert into signals
with

counted as (

    select
        *,
        sum((event_name = 'cta_impression')::int) over on_page as impressions,
        sum((event_name = 'cta_skipped')::int) over on_page as skips,
        sum((event_name in ('cta_click', 'cta_click_failed'))::int) over on_page as clicks,
        min(case when category = 'cta' then event_at end) over (partition by session_id) as told_at
    from steps
    where event_name = 'page_view' or category = 'cta'
    window on_page as (
        partition by session_id, page_url order by event_at, event_id rows unbounded preceding
    )

),

visits as (

    select
        *,
        impressions - lag(impressions) over visit as seen,
        skips - lag(skips) over visit as skipped,
        clicks - lag(clicks) over visit as clicked
    from counted
    where event_name = 'page_view'
    window visit as (partition by session_id, page_url order by event_at, event_id)

)

select
    'skip_reenter_pause', session_id, actor_id, user_key, event_id, paused_at, 12, false,
    is_passed_over and not is_keyboard_only
from (
    select
        silences.*,
        visits.told_at,
        skipped > 0 or (seen > 0 and clicked = 0) as is_passed_over,
        silences.event_at + interval 12 second as paused_at,
        row_number() over (
            partition by visits.session_id, visits.event_id
            order by silences.event_at, silences.event_id
        ) as n
    from visits
    inner join silences
        on visits.session_id = silences.session_id
        and visits.page_view_id = silences.page_view_id
        and visits.event_at <= silences.event_at
    where
        is_pause
        and skipped is not null
)
where
    n = 1
    and paused_at <= {as_of}
    and (is_passed_over or coalesce(told_at > paused_at, true));

insert into signals
with

followed as (

    select
        *,
        sum((event_name = 'form_submitted')::int) over so_far as submits,
        min(case when event_name = 'form_submitted' then event_at end) over after_it as submitted_at
    from steps
    where event_name in ('form_started', 'form_submitted')
    window
        so_far as (
            partition by island_id, form_id order by event_at, event_id rows unbounded preceding
        ),
        after_it as (
            partition by island_id, form_id order by event_at, event_id
            rows between 1 following and unbounded following
        )

),

attempts as (

    select * from followed
    where event_name = 'form_started'
    qualify
        row_number() over (
            partition by island_id, form_id, page_view_id, submits order by event_at, event_id
        ) = 1

),

ended as (

    select
        attempts.*,
        attempts.event_at + interval 1800 second as due_at,
        least(left_at, event_at + interval 1800 second) as abandoned_at
    from attempts
    asof left join exits
        on attempts.island_id = exits.island_id
        and attempts.page_view_id = exits.page_view_id
        and attempts.event_at <= exits.left_at

)

select
    'form_abandoned', session_id, actor_id, user_key, event_id, abandoned_at,
    (epoch_ms(abandoned_at) - epoch_ms(event_at)) / 1000.0, false, true
from ended
where
    abandoned_at <= {as_of}
    and (
        submitted_at is null
        or submitted_at > abandoned_at
        or (submitted_at = abandoned_at and abandoned_at = due_at)
    );

insert into signals
with

traces as (

    select 'actor|' || actor_id as trace, event_id, event_at, setup_id, event_name from steps
    where event_name in ('setup_started', 'setup_completed')
    union all
    select 'user|' || user_key, event_id, event_at, setup_id, event_name from steps
    where event_name in ('setup_started', 'setup_completed')

),

followed as (

    select
        *,
        max(case when event_name = 'setup_started' then event_at end) over earlier as started_at,
        max(case when event_name = 'setup_completed' then event_at end) over earlier as done_at,
        min(case when event_name = 'setup_completed' then event_at end) over later as completed_at
    from traces
    window
        earlier as (
            partition by trace, setup_id order by event_at, event_id
            rows between unbounded preceding and 1 preceding
        ),
        later as (
            partition by trace, setup_id order by event_at, event_id
            rows between 1 following and unbounded following
        )

),

begun as (

    select
        event_id,
        min(completed_at) as completed_at,
        max(case when coalesce(done_at < started_at, true) then started_at end) as resumed_from
    from followed
    where event_name = 'setup_started'
    group by event_id

)

select
    'setup_abandoned', session_id, actor_id, user_key, event_id, event_at + interval 48 hour,
    172800, false, true
from begun
inner join steps using (event_id)
where
    event_at + interval 48 hour <= {as_of}
    and coalesce(completed_at >= event_at + interval 48 hour, true)
    and coalesce(epoch_ms(event_at) - epoch_ms(resumed_from) >= 172800000, true);

insert into signals
select
    'help_linger', session_id, actor_id, user_key, event_id, event_at + interval 12 second, 12,
    false, not is_keyboard_only and is_measured
from (
    select
        *,
        lead(event_at) over (partition by island_id order by event_at, event_id) as ended_at
    from steps
    where
        category in ('navigation', 'scroll', 'visibility')
        or event_name in ('help_tip_shown', 'help_tip_dismissed')
)
where
    event_name = 'help_tip_shown'
    and event_at + interval 12 second <= {as_of}
    and coalesce(ended_at >= event_at + interval 12 second, true);
