"""Law 1 where a session reaches its limit: what goes on beyond it hangs on what was before it."""

from dataclasses import replace

from tests.harness import SESSION_LIMIT, Happening
from tests.laws.incremental import IncrementalLine
from tests.laws.test_law_1_arrival_order import differences

FORM = {"form_id": "f"}
STAY = [
    Happening(0.0, "page_view", event_id="opens"),
    *(Happening(at, "page_ping", event_id=f"ping {at}") for at in (1300.0, 2600.0, 3900.0)),
    Happening(3990.0, "form_started", FORM, event_id="starts"),
    Happening(SESSION_LIMIT + 5.0, "form_started", FORM, event_id="touches it again"),
    *(Happening(at, "click", event_id=f"click {at}") for at in (5300.0, 6600.0, 7900.0)),
]
"""A page that is open for two hours and more, without an id that its tracker gave it."""

LEAVES = Happening(7990.0, "page_leave", event_id="leaves")


LOADS = [
    (STAY, 7905.0),
    ([], 7950.0),
    ([LEAVES], 7995.0),
    ([Happening(-15.0, "click", event_id="late")], 9000.0),
    ([replace(LEAVES, at=7989.0, event_id="left before")], 9100.0),
]


def test_what_goes_on_beyond_the_limit_is_worked_through_with_what_was_before(
    plain, narrowed
) -> None:
    """Time goes on for the later session alone; then both end sooner, and the page is left."""
    line = IncrementalLine(plain, narrowed)
    for number, (load, now) in enumerate(LOADS, 1):
        line.load(load, now)
        line.run(now)
        if number in (2, len(LOADS)):
            anew = IncrementalLine(plain, narrowed)
            for earlier, loaded_at in LOADS[:number]:
                anew.load(earlier, loaded_at)
            anew.run(now, full_refresh=True)
            assert differences(line, anew) == {}
