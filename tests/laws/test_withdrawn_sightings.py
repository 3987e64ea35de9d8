"""Law 1 where late data takes back what was known: who somebody is holds for later sessions too."""

from dataclasses import replace

import pytest

from tests.harness import Happening
from tests.laws.incremental import IncrementalLine, Interrupted
from tests.laws.test_law_1_arrival_order import differences

HOUR = 3600.0
LATER = 100 * HOUR


def life(actor: str, **people: str) -> list[Happening]:
    """One click in each of six sessions an hour apart, some of which name a person: `h2="ann"`."""
    return [
        Happening(
            hour * HOUR,
            "click",
            event_id=f"{actor} {hour}",
            actor=actor,
            user_id=people.get(f"h{hour}"),
            loaded_at=50 * HOUR,
        )
        for hour in range(6)
    ]


def instead(happening: Happening, **changes: object) -> Happening:
    """Another delivery of the same event, which came before the one that a run has met."""
    return replace(happening, loaded_at=40 * HOUR, **changes)


WITHDRAWN = {
    "the only sighting": lambda of: (life(of, h1="ann"), {"user_id": None}),
    "the first of two": lambda of: (life(of, h1="ann", h4="ann"), {"user_id": None}),
    "the first, before another person": lambda of: (
        life(of, h1="ann", h3="bob"),
        {"user_id": None},
    ),
    "one between two of another person": lambda of: (
        life(of, h0="bob", h1="ann", h3="bob"),
        {"user_id": None},
    ),
    "the person": lambda of: (life(of, h1="ann"), {"user_id": "bob"}),
    "the instant": lambda of: (life(of, h1="ann"), {"at": 3.5 * HOUR}),
    "the browser": lambda of: (life(of, h1="ann"), {"actor": "a borrowed browser"}),
}
"""What a life looks like at first, and what then becomes of its event at one hour."""


@pytest.fixture
def anew(plain, narrowed):
    """Return the tables that one full refresh makes of some deliveries."""

    def build(*loads: list[Happening]) -> IncrementalLine:
        line = IncrementalLine(plain, narrowed)
        for load in loads:
            line.load(load)
        line.run(LATER, full_refresh=True)
        return line

    return build


def test_sessions_after_a_withdrawn_sighting_are_those_of_a_full_refresh(
    plain, narrowed, anew
) -> None:
    lives = {name: life_of(name) for name, life_of in WITHDRAWN.items()}
    sooner = [happening for happenings, _ in lives.values() for happening in happenings]
    later = [instead(happenings[1], **changes) for happenings, changes in lives.values()]
    line = IncrementalLine(plain, narrowed)
    line.load(sooner)
    line.run(LATER)
    line.load(later)
    line.run(LATER)
    assert differences(line, anew(sooner, later)) == {}


@pytest.mark.parametrize("change", ["a sighting is withdrawn", "somebody else signs in"])
def test_a_run_that_died_after_it_learned_who_somebody_is_is_made_good(
    plain, narrowed, anew, change: str
) -> None:
    """The dead run had replaced what is known of people, and no session yet."""
    known = [model.name for model in plain_models(plain, narrowed)].index("int_changed_sessions")
    happenings = life("browser")
    first = instead(happenings[1], user_id="ann")
    second = (
        replace(instead(first, user_id=None), loaded_at=30 * HOUR)
        if change == "a sighting is withdrawn"
        else instead(happenings[4], user_id="bob")
    )
    line = IncrementalLine(plain, narrowed)
    line.load(happenings)
    line.run(LATER)
    line.load([first])
    with pytest.raises(Interrupted):
        line.run(LATER, killed_after=known)
    line.load([second])
    line.run(LATER)
    assert differences(line, anew(happenings, [first, second])) == {}


def plain_models(plain, narrowed):
    return IncrementalLine(plain, narrowed).plain
