"""Law 1 for what looks across the sessions of a person: only who changed is judged again."""

from dataclasses import dataclass, replace

import pytest

from tests.harness import Happening
from tests.laws.incremental import IncrementalLine, Interrupted
from tests.laws.test_law_1_arrival_order import differences

HOUR = 3600.0
DAY = 24 * HOUR
SOON, LATER = 2.5 * DAY, 3 * DAY
"""When there is a first run, and a second one. A set-up is abandoned after two days."""


def begins(at: float, actor: str, user_id: str | None = None) -> Happening:
    return Happening(at, "setup_started", {"setup_id": "s"}, actor=actor, user_id=user_id)


def ends(at: float, actor: str, user_id: str | None = None) -> Happening:
    return Happening(at, "setup_completed", {"setup_id": "s"}, actor=actor, user_id=user_id)


def signs_in(at: float, actor: str, user_id: str) -> Happening:
    return Happening(at, "sign_in", actor=actor, user_id=user_id)


@dataclass(frozen=True)
class Life:
    """What is known of somebody at the first run, and what is only loaded before the second."""

    soon: list[Happening]
    late: list[Happening]
    abandoned: tuple[int, int]
    """Set-ups that each of the two runs counts."""


LIVES = {
    "falls due": Life([begins(DAY, "desk")], [], (0, 1)),
    "finished elsewhere, said late": Life(
        [begins(0, "desk", "ann")], [ends(DAY, "phone", "ann")], (1, 0)
    ),
    "finished elsewhere": Life([begins(0, "desk", "ann"), ends(DAY, "phone", "ann")], [], (0, 0)),
    "finished by another person, as it turns out": Life(
        [begins(0, "desk", "ann"), signs_in(HOUR, "phone", "ann"), ends(DAY, "phone")],
        [signs_in(2 * HOUR, "phone", "bob")],
        (0, 1),
    ),
    "begun again by the same person, as it turns out": Life(
        [begins(0, "desk", "ann"), begins(0.3 * DAY, "phone")],
        [signs_in(HOUR, "phone", "ann")],
        (2, 1),
    ),
}


def loaded(line: IncrementalLine, part: str, loaded_at: float) -> None:
    for life, lived in LIVES.items():
        line.load(
            [
                replace(
                    each,
                    event_id=f"{life} {each.event_name} {each.at}",
                    actor=f"{life}: {each.actor}",
                    user_id=each.user_id and f"{life}: {each.user_id}",
                )
                for each in getattr(lived, part)
            ],
            loaded_at,
        )


def abandoned(line: IncrementalLine) -> dict[str, int]:
    """Count abandoned set-ups by life."""
    counts = line.connection.execute(
        "select split_part(actor_id, ':', 1), count(*) from kairos.signals "
        "where signal_name = 'setup_abandoned' group by all"
    ).fetchall()
    return dict.fromkeys(LIVES, 0) | dict(counts)


@pytest.fixture(scope="module")
def anew(plain, narrowed) -> IncrementalLine:
    line = IncrementalLine(plain, narrowed)
    loaded(line, "soon", SOON)
    loaded(line, "late", LATER)
    line.run(LATER, full_refresh=True)
    return line


@pytest.fixture
def after_first_run(plain, narrowed) -> IncrementalLine:
    line = IncrementalLine(plain, narrowed)
    loaded(line, "soon", SOON)
    line.run(SOON)
    assert abandoned(line) == {life: lived.abandoned[0] for life, lived in LIVES.items()}
    loaded(line, "late", LATER)
    return line


def test_set_ups_of_changed_people_are_those_of_a_full_refresh(after_first_run, anew) -> None:
    after_first_run.run(LATER)
    assert abandoned(after_first_run) == {life: lived.abandoned[1] for life, lived in LIVES.items()}
    assert differences(after_first_run, anew) == {}


def test_who_lost_an_event_is_remembered_by_a_run_that_dies(after_first_run, anew) -> None:
    """Once `int_lasting_events` is replaced, it no longer tells whose the event was."""
    names = [model.name for model in after_first_run.plain]
    with pytest.raises(Interrupted):
        after_first_run.run(LATER, killed_after=names.index("int_lasting_events") + 1)
    after_first_run.run(LATER)
    assert differences(after_first_run, anew) == {}
