"""Worked cases that need a whole history."""

import pytest

from tests.harness import Happening, Line
from tests.harness import instant as at
from tests.signals.histories import depth, spot
from warehouse.compiled import CompiledProject

CTA = {"cta_id": "go"}


@pytest.mark.parametrize(
    ("impressions", "clicks", "is_escalated"), [(4, 1, False), (3, 0, False), (20, 0, True)]
)
def test_F6_a_click_rate_needs_enough_impressions(
    line: Line, impressions: int, clicks: int, is_escalated: bool
) -> None:
    """Of 4 or 3 impressions no share is known; none of 20 is surely under a fifth."""
    names = ["cta_impression"] * impressions + ["cta_click"] * clicks + ["cta_click_failed"] * 3
    happenings = [Happening(number * 5, name, CTA) for number, name in enumerate(names)]
    (failure,) = line.run(happenings, 10_000).signals("cta_failure")
    assert failure["is_escalated"] is is_escalated


@pytest.mark.parametrize(("more", "is_escalated"), [([], False), ([Happening(1, "click")], True)])
def test_a_click_rate_says_nothing_of_somebody_with_keys_alone(
    line: Line, more: list[Happening], is_escalated: bool
) -> None:
    names = ["key_press"] + ["cta_impression"] * 20 + ["cta_click_failed"] * 3
    happenings = [Happening(number * 5, name, CTA) for number, name in enumerate(names)]
    (failure,) = line.run(happenings + more, 10_000).signals("cta_failure")
    assert failure["is_escalated"] is is_escalated


def pauses(line: Line) -> list[tuple[str, str, float]]:
    """Return who paused where, and after how many seconds that counted."""
    return [
        (row["actor_id"], row["user_key"], row["threshold"])
        for row in line.signals("session_pause")
        if not row["is_escalated"]
    ]


# the hash puts a at 0.0505 and b at 0.2696
ARMS = """
    insert into kairos.experiments (experiment, hash_seed, unit, is_enabled)
    values ('pauses', 'seed', 'user', true);
    insert into kairos.experiment_arms (experiment, arm, bucket_from, bucket_to)
    values ('pauses', 'early', 0.0505, 0.2696), ('pauses', 'late', 0.2696, 1);
    insert into kairos.signal_thresholds
        (signal_name, segment, experiment, arm, threshold, escalation, version, valid_from)
    values ('session_pause', '*', 'pauses', 'early', 8, 30, 'early', '2000-01-01'),
        ('cta_failure', '*', 'pauses', 'early', 2, null, 'early', '2000-01-01'),
        ('rage_click', '*', 'pauses', 'early', 2, null, 'early', '2000-01-01'),
        ('cta_failure', '*', 'pauses', 'late', 4, null, 'late', '2000-01-01'),
        ('rage_click', '*', 'pauses', 'late', 4, null, 'late', '2000-01-01');
"""


def test_a_threshold_of_an_arm_is_for_those_who_were_known_to_be_in_it(
    project: CompiledProject,
) -> None:
    """Nobody in particular is in no arm, and who signs in later was not yet in one before."""
    arms = Line(project, ["signals"])
    arms.connection.execute(ARMS)
    happenings = [
        Happening(0, "click", actor="a"),
        Happening(1, "click", actor="browser"),
        Happening(100, "click", actor="browser", user_id="a"),
        Happening(200, "click", actor="browser"),
        Happening(300, "click", actor="phone", user_id="b"),
        Happening(400, "click", actor="", user_id="a", event_id="told by a server"),
    ]
    before = [("a", "a", 12), ("browser", "browser", 12)]
    after = [("browser", "a", 8), ("browser", "a", 8), ("phone", "b", 12), ("a", "a", 8)]
    assert pauses(arms.run(happenings, 1000)) == before + after
    assert pauses(arms.run(happenings[:2], 50)) == before

    arms.replace_sql("session_events", "and events.event_at >= identities.known_from", "")
    assert pauses(arms.run(happenings, 1000)) != before + after


@pytest.mark.parametrize(("user_id", "known_from"), [("a", 2), ("b", 3)])
def test_a_series_counts_once_though_its_threshold_changes_when_somebody_signs_in(
    project: CompiledProject, user_id: str, known_from: int
) -> None:
    """Three for nobody yet; two for a, who is past that by then, and four for b, who had three."""
    arms = Line(project, ["signals"])
    arms.connection.execute(ARMS)
    happenings = [
        Happening(
            start + gap * number,
            event_name,
            properties,
            actor=event_name,
            user_id=user_id if number >= known_from else None,
        )
        for start, gap, event_name, properties in (
            (0, 10, "cta_click_failed", CTA),
            (100, 0.3, "click", spot(10)),
        )
        for number in range(4)
    ]
    found = arms.run(happenings, 1000).signals("cta_failure", "rage_click")
    assert [(row["signal_name"], row["value"]) for row in found] == [
        ("cta_failure", 3),
        ("rage_click", 3),
    ]


def test_the_limit_of_a_session_leaves_no_page_and_ends_no_silence(line: Line) -> None:
    """At 4,000 s here: somebody falls silent before it, and leaves the page long after it."""
    happenings = [
        Happening(at, event_name, properties, actor=actor)
        for actor, seen in (("a glance", 0), ("all of it", 2000))
        for at, event_name, properties in (
            (0, "page_view", depth(0)),
            (1300, "scroll", depth(seen)),
            (2600, "page_ping", {}),
            (3900, "page_ping", {}),
            (3995, "click", {}),
            (4005, "page_ping", {}),
            (4025, "page_ping", {}),
            (4026, "page_ping", {}),
            (4040, "click", {}),
            (4050, "page_leave", {}),
        )
    ]
    found = line.run(happenings, 10_000).signals("session_pause", "shallow_scroll")
    pages = line.rows("select * from kairos.page_views order by viewed_at")
    for actor in ("a glance", "all of it"):
        first, second = (row for row in pages if row["actor_id"] == actor)
        late = [row for row in found if row["actor_id"] == actor and row["detected_at"] > at(3995)]
        shallow = [("shallow_scroll", second["session_id"], at(4050), False)]
        assert first["page_view_id"] == second["page_view_id"]
        assert [
            (row["signal_name"], row["session_id"], row["detected_at"], row["is_escalated"])
            for row in late
        ] == [
            ("session_pause", first["session_id"], at(4007), False),
            ("session_pause", first["session_id"], at(4026), True),
            *(shallow if actor == "a glance" else ()),
        ]


def test_a_video_that_was_never_seen_to_start_stops_no_other(line: Line) -> None:
    """Its start came before the tracker did; the next video is watched in silence all the same."""
    happenings = [
        Happening(0, "video_stopped"),
        Happening(5, "video_started"),
        Happening(60, "video_stopped"),
    ]
    found = line.run(happenings, 10_000).signals("session_pause")
    assert [row["detected_at"] for row in found] == [at(72)]


def test_a_hover_that_was_clicked_before_the_limit_of_the_session_is_no_dwell(line: Line) -> None:
    """Sessions end at 4,000 s here; the hovers that end beyond it began at 3,996 s."""
    happenings = [
        Happening(number, name, about, actor=actor)
        for actor, clicked in (("clicks", "go"), ("clicks elsewhere", "stop"))
        for number, name, about in (
            *((seconds, "page_ping", {}) for seconds in (0, 1300, 2600, 3900)),
            (3998, "click", {"element_id": clicked}),
            (4003, "hover", {"element_id": "go", "duration_ms": 7000}),
        )
    ]
    found = line.run(happenings, 10_000).signals("hover_dwell")
    sessions = line.rows("select distinct session_id from kairos.session_events")
    assert len(sessions) == 4
    assert [(row["actor_id"], row["value"]) for row in found] == [("clicks elsewhere", 7)]
