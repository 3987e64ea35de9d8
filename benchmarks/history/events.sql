-- A history of raw.events, the same for the same numbers, without a detour through files. All that an event
-- is follows from hashes of its session, page and place on the page, so that nothing has to be joined or kept.
-- What stands in braces is put in by generate.py.

create or replace temp macro pick(salt, a, b, c, n) as cast(hash(salt, a, b, c) % n as integer);

create or replace temp table skeleton as
with

visits as (

    select
        cast(session_no as integer) as session_no,
        -- few actors come often, many come seldom
        case
            when session_no % 200 = 0 and session_no < 100000000 then {actors} + session_no // 40000 % 1000
            else floor({actors} * power(pick('actor', session_no, 0, 0, 1000000) / 1e6, 1.5))
        end::integer as actor_no,
        case
            -- crawlers that come back every quarter of an hour, fifty hours long
            when session_no % 200 = 0 and session_no < 100000000
                then timestamp '{start}'
                + to_days(pick('crawl', session_no // 40000, 0, 0, 85))
                + to_minutes(15 * (session_no // 200 % 200))
            else {arrival}
        end as begun_at,
        pick('quick', session_no, 0, 0, 25) = 0 as is_quick,
        pick('pages', session_no, 0, 0, 4) as page_class
    from range({first_session}, {first_session} + {sessions}) as numbers (session_no)

),

pages as (

    select
        *,
        unnest(range(case when is_quick then 12 else [1, 1, 2, 4][page_class + 1] end)) as page_no
    from visits

),

places as (

    select
        *,
        pick('theme', session_no, page_no, 0, 60) as theme,
        unnest(range(case when is_quick then 2 else 16 end)) as place
    from pages

),

timed as (

    select
        *,
        case
            -- three clicks on one spot
            when not is_quick and theme = 1 and place in (6, 7)
                then 25000 + pick('jitter', session_no, page_no, 5, 4900) + 300 * (place - 5)
            when is_quick then 2000 * place + pick('jitter', session_no, page_no, place, 1500)
            -- every third page has a pause in its middle, through which the heart beats on
            when theme % 3 = 0 and place in (8, 9, 10) then 40000 + 10000 * (place - 7)
            when theme % 3 = 0 and place > 10
                then 5000 * place + pick('jitter', session_no, page_no, place, 4900) + 30000
            else 5000 * place + pick('jitter', session_no, page_no, place, 4900)
        end + page_no * case when is_quick then 4500 else 150000 end as offset_ms
    from places

),

sent as (

    select
        session_no,
        actor_no,
        cast(page_no as integer) as page_no,
        cast(place as integer) as place,
        cast(theme as integer) as theme,
        is_quick,
        begun_at + to_milliseconds(offset_ms) as event_at,
        -- one in fifty is sent again, and three in a hundred come late, by up to three days
        unnest(case
            when pick('again', session_no, page_no, place, 50) = 0 then [0, 1] else [0]
        end) as copy_no,
        case
            when pick('late', session_no, page_no, place, 100) < 3
                then pick('delay', session_no, page_no, place, 259200)
            else 0
        end as delay_seconds
    from timed

),

loaded as (

    select
        *,
        {loading} as loaded_at
    from sent

)

select * from loaded
order by loaded_at, copy_no, event_at, session_no, page_no, place;


insert into raw.events by name
with

named as (

    select
        *,
        pick('kind', session_no, page_no, place, 1000) as kind,
        format('p{:x}-{}', session_no, page_no) as page_view_id,
        1200 + 300 * pick('doc', session_no, page_no, 0, 12) as doc_height,
        600 + 100 * pick('view', session_no, 0, 0, 4) as viewport_height,
        pick('device', actor_no, 0, 0, 10) as device,
        page_no * 160 + place * 10 > 16 * pick('login', session_no, 0, 0, 20) as is_signed_in
    from skeleton

),

typed as (

    select
        *,
        case
            when place = 0 then 'page_view'
            when is_quick then 'page_leave'
            when theme = 1 and place in (5, 6, 7) then 'click'
            when theme = 2 and place in (4, 6, 8, 10) then 'cta_click_failed'
            when theme in (4, 5) and place = 3 then 'form_started'
            when theme = 4 and place = 9 then 'form_submitted'
            when theme in (7, 8) and place = 3 then 'setup_started'
            when theme = 7 and place = 12 then 'setup_completed'
            when theme = 9 and place = 7 then 'help_tip_shown'
            when theme = 10 and place = 10
                then [
                    'profile_completed', 'team_invited', 'integration_configured',
                    'onboarding_completed'
                ][1 + kind % 4]
            when theme = 11 and place = 2 then 'sign_up'
            when theme % 3 = 0 and place in (8, 9, 10) then 'page_ping'
            when place = 15 and kind < 700 then 'page_leave'
            when kind < 350 then 'page_ping'
            when kind < 560 then 'scroll'
            when kind < 700 then 'pointer_move'
            when kind < 800 then 'click'
            when kind < 830 then 'key_press'
            when kind < 860 then 'hover'
            when kind < 900 then 'cta_impression'
            when kind < 920 then 'cta_click'
            when kind < 930 then 'cta_skipped'
            when kind < 970 then 'dom_changed'
            when kind < 980 then 'page_hidden'
            when kind < 990 then 'page_visible'
            else 'feature_used'
        end as event_name
    from named

)

select
    md5(format('{}/{}/{}', session_no, page_no, place)) as event_id,
    case
        -- half of the actors sign in some time into a visit, a few share their browser
        when is_signed_in and pick('known', actor_no, 0, 0, 20) < 11
            then case
                when pick('shared', actor_no, 0, 0, 50) = 0
                    then format('user-{}', actor_no + {actors} * (session_no % 2))
                else format('user-{}', actor_no)
            end
    end as user_id,
    format('a{:08x}{:08x}', pick('browser', actor_no, 0, 0, 2147483647), actor_no) as anonymous_id,
    event_name,
    strftime(event_at, '%Y-%m-%dT%H:%M:%S.%gZ') as event_at,
    format(
        'https://app.example.com/{}',
        case
            when is_quick then ['welcome', 'integration'][1 + page_no % 2]
            else [
                'welcome', 'profile', 'verification', 'integration', 'team', 'done', 'help',
                'reports', 'billing', 'search'
            ][1 + pick('url', session_no, page_no, 0, 10)]
        end
    ) as page_url,
    case when device < 7 then 'desktop' else 'mobile' end as device_type,
    case
        when actor_no >= {actors} or pick('bot', actor_no, 0, 0, 300) = 0
            then 'Mozilla/5.0 (compatible; examplebot/2.1; +https://www.example.com/bot.html)'
        when device < 7
            then format(
                'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) '
                'Chrome/{}.0.0.0 Safari/537.36', 100 + pick('version', actor_no, 0, 0, 40)
            )
        else format(
            'Mozilla/5.0 (iPhone; CPU iPhone OS 17_{} like Mac OS X) AppleWebKit/605.1.15 '
            '(KHTML, like Gecko) Version/17.{} Mobile/15E148 Safari/604.1',
            pick('version', actor_no, 0, 0, 8), pick('minor', actor_no, 0, 0, 8)
        )
    end as user_agent,
    case
        when event_name = 'page_view'
            then format(
                '{{"page_view_id":"{}","doc_height":{},"viewport_height":{}}}',
                page_view_id, doc_height, viewport_height
            )
        when event_name in ('page_ping', 'scroll')
            then format(
                '{{"page_view_id":"{}","scroll_offset_max":{},"doc_height":{},'
                '"viewport_height":{}}}',
                page_view_id,
                (doc_height - viewport_height) * place * pick('depth', session_no, page_no, 0, 100)
                // 1500,
                doc_height, viewport_height
            )
        when event_name in ('page_leave', 'page_hidden', 'page_visible')
            then format('{{"page_view_id":"{}"}}', page_view_id)
        when event_name = 'click'
            then format(
                '{{"element_id":"button-{}","x":{},"y":{},"detail":{}}}',
                case when theme = 1 then 1 else kind % 9 end,
                case when theme = 1 then 300 else 40 + kind end,
                case when theme = 1 then 200 else 900 - kind end,
                case when pick('keys', session_no, 0, 0, 40) = 0 then 0 else 1 end
            )
        when event_name in ('cta_impression', 'cta_click', 'cta_click_failed', 'cta_skipped')
            then '{"cta_id":"upgrade"}'
        when event_name in ('form_started', 'form_submitted') then '{"form_id":"profile"}'
        when event_name in ('setup_started', 'setup_completed') then '{"setup_id":"import"}'
        when event_name = 'help_tip_shown' then '{"tip_id":"tip-1"}'
        when event_name = 'hover'
            then format(
                '{{"element_id":"button-{}","duration_ms":{}}}',
                kind % 9, 500 + pick('hover', session_no, page_no, place, 3000)
            )
        else '{}'
    end as properties,
    'kairos' as source,
    '{source_file}' as source_file,
    row_number() over () as source_line,
    loaded_at

from typed;
