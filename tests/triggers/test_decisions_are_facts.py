"""Laws 4, 5 and 6: decided once, explained, never changed, and nothing lost on the way."""

from datetime import timedelta

from tests.triggers.world import at

MONDAY = at("2026-01-05 09:00")
HOUR = timedelta(hours=1)


def test_deciding_twice_adds_nothing(world):
    world.trigger("tip")
    world.trigger("later", delay_seconds=60)
    world.moment("tip", MONDAY)
    world.moment("later", MONDAY)
    assert len(world.decide(MONDAY)) == 2
    assert world.decide(MONDAY) == []
    assert world.decide(MONDAY + timedelta(seconds=59)) == []


def test_a_run_that_died_after_the_gates_is_made_up_for(world):
    world.trigger("tip")
    world.moment("tip", MONDAY)
    without_decisions = [model for model in world.models if "decisions" not in model.name]
    world.run([m for m in world.models if m.name == "decisions_made"], MONDAY)
    world.run(without_decisions, MONDAY)
    assert world.count("decision_gates") == 11
    assert len(world.decide(MONDAY + HOUR)) == 1
    gates = world.rows("select distinct decided_at from kairos.decision_gates")
    assert [row["decided_at"] for row in gates] == [(MONDAY + HOUR).replace(tzinfo=None)]


def test_every_gate_up_to_the_one_that_stopped_it_is_written_down(world):
    world.trigger("tip", is_enabled=False)
    world.moment("tip", MONDAY)
    world.decide(MONDAY)
    gates = world.rows("select * from kairos.decision_gates order by gate_number")
    assert [(row["gate_name"], row["is_passed"]) for row in gates] == [
        ("data_valid", True),
        ("not_a_bot", True),
        ("consent", True),
        ("enabled", False),
    ]
    assert gates[-1]["reason"] == "disabled"


def test_evidence_of_a_bot_that_came_later_is_not_written_back(world):
    world.trigger("tip")
    for session, bot_from in (("s1", MONDAY), ("s2", MONDAY + HOUR)):
        world.insert("session_bot_evidence", {"session_id": session, "bot_from_at": bot_from})
        world.moment("tip", MONDAY + timedelta(seconds=int(session[1])), session=session)
    assert world.outcomes(MONDAY + 2 * HOUR) == ["suppressed", "send"]


def test_evidence_of_a_bot_counts_only_while_it_holds(world):
    world.trigger("tip")
    stretches = ((0, 10, "declared_user_agent"), (0, 10, "webdriver"), (20, None, "metronomic"))
    for start, end, reason in stretches:
        world.insert(
            "session_bot_evidence",
            {
                "session_id": "s",
                "reason": reason,
                "bot_from_at": MONDAY + timedelta(seconds=start),
                "bot_until_at": None if end is None else MONDAY + timedelta(seconds=end),
            },
        )
    for second in (9, 10, 19, 20):
        world.moment("tip", MONDAY + timedelta(seconds=second))
    assert world.outcomes(MONDAY + HOUR) == ["suppressed", "send", "send", "suppressed"]
    gates = world.rows(
        "select gates.operands ->> 'bot_reasons' as reasons "
        "from kairos.decision_gates as gates "
        "inner join kairos.trigger_decisions as decisions using (decision_id) "
        "where gates.gate_name = 'not_a_bot' order by decisions.moment_at"
    )
    reasons = [row["reasons"] for row in gates]
    assert reasons == ["declared_user_agent,webdriver", None, None, "metronomic"]


def test_a_refusal_is_respected_by_channel_and_as_a_whole(world):
    world.trigger("tip")
    world.trigger("mail", channel="email")
    world.person("no_mail", consents='{"email": false, "in_app": true}')
    world.person("nothing", consents='{"messages": false}')
    for user in ("ann", "no_mail", "nothing"):
        world.moment("tip", MONDAY, user)
        world.moment("mail", MONDAY, user)
    sent = [
        (row["user_key"], row["trigger_name"])
        for row in world.decide(MONDAY)
        if row["outcome"] == "send"
    ]
    assert sorted(sent) == [("ann", "mail"), ("ann", "tip"), ("no_mail", "tip")]


def test_a_suppression_list_goes_before_everything_but_the_bots(world):
    world.trigger("tip", is_enabled=False)
    entry = {"user_key": "ann", "channel": "*", "reason": "asked by phone"}
    world.insert("suppressed_users", {**entry, "suppressed_from": MONDAY})
    world.moment("tip", MONDAY)
    [decision] = world.decide(MONDAY)
    assert (decision["reason"], decision["blocked_by"]) == ("suppression_list", "asked by phone")


def test_what_nobody_could_be_sent_says_why(world):
    world.trigger("tip")
    world.trigger("mute", content_key="nothing")
    world.moment("tip", MONDAY, "a browser")
    world.moment("mute", MONDAY)
    world.moment("no_such_trigger", MONDAY)
    reasons = [row["reason"] for row in world.decide(MONDAY)]
    assert reasons == ["no_content", "unknown_trigger", "unknown_person"]


def test_late_data_does_not_change_a_decision(world):
    world.trigger("tip")
    world.moment("tip", MONDAY)
    world.decide(MONDAY)
    before = world.rows("select * from kairos.trigger_decisions")
    world.connection.execute("update kairos.triggers set is_enabled = false")
    world.connection.execute("delete from kairos.trigger_moments")
    world.insert("session_bot_evidence", {"session_id": "s", "bot_from_at": MONDAY})
    world.decide(MONDAY + HOUR)
    assert world.rows("select * from kairos.trigger_decisions") == before
