"""`kairos why` answers for people who were sent something, were not, are ghosts, or never came."""

from datetime import timedelta

import pytest

from kairos.commands.why import explain, tell
from tests.triggers.world import at
from warehouse.errors import KairosError

MONDAY = at("2026-01-05 09:00")


@pytest.fixture
def ask(world):
    world.seed("gates")
    world.connection.execute("""
        create table kairos.sync_operations (
            decision_id varchar, user_key varchar, state varchar, http_status integer,
            error_message varchar, acknowledged_at timestamp
        )
    """)

    def ask(user, trigger=None, moment=None):
        return "\n".join(tell(explain(world.connection, user, trigger, moment)))

    return ask


def test_a_message_that_was_sent(world, ask):
    world.trigger("tip")
    world.moment("tip", MONDAY)
    world.decide(MONDAY)
    answer = ask("ann", "tip")
    assert "was sent any through webhook" in answer
    assert answer.count("passed") == 11


def test_a_message_that_a_cap_stopped_says_which_and_how_full_it_was(world, ask):
    world.trigger("tip")
    world.cap("two_per_day", maximum=1)
    world.sent("tip", MONDAY)
    world.sent("tip", MONDAY + timedelta(hours=1))
    answer = ask("ann")
    assert "was not sent: the person has had enough messages: two_per_day" in answer
    assert "two_per_day 1 of 1" in answer


def test_a_ghost(world, ask):
    holdout = {"holdout": "global", "hash_seed": "h", "share": 1, "is_enabled": True}
    world.insert("holdouts", holdout)
    world.trigger("tip")
    world.moment("tip", MONDAY)
    world.decide(MONDAY)
    assert "a holdout is there to compare with" in ask("ann")


def test_somebody_who_was_never_a_candidate_and_somebody_unknown(world, ask):
    world.trigger("tip")
    assert ask("ann", "tip").startswith("ann was never a candidate for tip")
    assert ask("nobody").startswith("nobody is unknown")


def test_operands_are_words_that_a_person_would_use(world, ask):
    world.trigger("tip", expiry_seconds=3600)
    world.moment("tip", MONDAY)
    world.decide(MONDAY + timedelta(days=1, hours=1, seconds=1))
    answer = ask("ann")
    assert "it came up too late" in answer
    assert "age: 1 d 1 h 1 s" in answer
    assert "enabled: yes" in answer


def test_an_earlier_instant_shows_what_was_decided_by_then(world, ask):
    world.trigger("tip", delay_seconds=3600)
    world.moment("tip", MONDAY)
    world.decide(MONDAY)
    world.decide(MONDAY + timedelta(hours=1))
    assert "was sent" in ask("ann", "tip")
    assert "was sent" not in ask("ann", "tip", MONDAY)
    assert "waits until 2026-01-05 10:00:00 UTC: its delay is not over" in ask("ann", "tip", MONDAY)


def test_a_trigger_that_does_not_exist_is_a_mistake_of_the_asker(world, ask):
    with pytest.raises(KairosError, match="no trigger 'tipp'"):
        ask("ann", "tipp")
