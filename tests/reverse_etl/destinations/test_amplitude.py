"""Amplitude: batches that are refused whole, and cohorts that say whom they skipped."""

from typing import ClassVar

from reverse_etl.destinations.amplitude import Amplitude
from reverse_etl.destinations.base import Dedupe
from tests.reverse_etl.conftest import NOW, later
from tests.reverse_etl.destinations.contract import Delivery, VendorContract

SETTINGS = {"KAIROS_AMPLITUDE_API_KEY": "key", "KAIROS_AMPLITUDE_SECRET_KEY": "secret"}


class TestAmplitude(VendorContract):
    name = "amplitude"
    tells_when = False
    secrets: ClassVar = {
        "KAIROS_AMPLITUDE_API_KEY": ("audience", "profile", "moment"),
        "KAIROS_AMPLITUDE_SECRET_KEY": ("audience",),
    }
    probed = ("KAIROS_AMPLITUDE_API_KEY", "KAIROS_AMPLITUDE_SECRET_KEY")
    called = "cohort 'poeple'"
    kinds: ClassVar = {"audience": Dedupe.SET, "profile": Dedupe.SET, "moment": Dedupe.KEY}
    forgives_removals = True
    settings: ClassVar = {"KAIROS_AMPLITUDE_PAUSE_SECONDS": "0.3"}

    def test_named_rows_are_refused_and_the_others_sent_again(self, delivery: Delivery) -> None:
        bad = ["user-3", "user-50"]
        self.sandbox.fault(kind="reject", destination="amplitude", users=bad, times=None)

        outcome = delivery(*(self.operation(n, "moment") for n in range(100)))

        assert outcome.counts == {"accepted": 98, "rejected": 2}
        assert outcome.request_count == 2
        assert {u for u, state in delivery.states().items() if state == "rejected"} == set(bad)

    def test_too_many_events_mean_a_pause_of_which_no_header_tells(self, delivery: Delivery):
        self.sandbox.fault(kind="429", destination="amplitude")

        assert delivery(self.operation(1, "moment")).counts == {"accepted": 1}

        refused, again = self.sandbox.requests("amplitude")
        assert (again.received_at - refused.received_at).total_seconds() >= 0.3
        assert Amplitude.from_env(SETTINGS).capabilities.pauses == {"events": 30}

    def test_after_a_week_an_event_in_doubt_is_not_sent_again(self, delivery: Delivery) -> None:
        moment = self.operation(1, "moment")
        self.sandbox.fault(kind="commit_then_drop", destination="amplitude", times=None)
        assert delivery(moment, at=NOW).counts == {"unknown": 1}
        sent = self.sandbox.vendor("amplitude").witness.events.total()
        self.sandbox.faults.clear()

        # asked again meanwhile, and again without an answer: the first time counts
        self.sandbox.fault(kind="commit_then_drop", destination="amplitude", times=None)
        assert delivery(moment, at=later(days=6)).counts == {"unknown": 1}
        self.sandbox.faults.clear()
        seen = len(self.sandbox.requests("amplitude"))
        assert delivery(moment, at=later(days=7)).counts == {}
        assert delivery.states() == {"user-1": "unknown"}

        assert len(self.sandbox.requests("amplitude")) == seen
        assert delivery(moment, at=later(days=6.9)).counts == {"accepted": 1}
        assert self.sandbox.vendor("amplitude").witness.events.total() == sent == 1

    def test_short_ids_are_ids(self, delivery: Delivery) -> None:
        assert delivery(self.operation(1, "moment", user_key="u1")).counts == {"accepted": 1}

        delivery.env["KAIROS_AMPLITUDE_MIN_ID_LENGTH"] = "5"
        assert delivery(self.operation(2, "moment", user_key="u2")).counts == {"rejected": 1}

    def test_whom_a_cohort_skips_is_refused_or_was_never_in_it(self, delivery: Delivery) -> None:
        joins = self.operation(1, "audience", user_key="missing-1")
        leaves = self.operation(2, "audience", verb="remove", user_key="missing-2")

        delivery(joins, leaves, self.operation(3, "audience"))

        assert delivery.states() == {"missing-1": "rejected", "missing-2": "accepted",
                                     "user-3": "accepted"}  # fmt: skip

    def test_edits_of_a_cohort_never_meet(self, delivery: Delivery) -> None:
        delivery.env["KAIROS_AMPLITUDE_BATCH_COUNT"] = "5"

        delivery(*(self.operation(n, "audience") for n in range(60)))

        assert {r.status for r in self.sandbox.requests("amplitude")} == {200}

    def test_a_moment_goes_with_its_key_as_insert_id(self, delivery: Delivery) -> None:
        moment = self.operation(1, "moment")
        delivery(moment)

        [event] = self.sandbox.requests("amplitude")[0].body["events"]
        assert event["insert_id"] == moment.idempotency_key
        assert event["time"] == 1_772_625_600_000


def test_batches_and_regions() -> None:
    contract = TestAmplitude()
    env = {**SETTINGS, "KAIROS_AMPLITUDE_REGION": "eu", "KAIROS_AMPLITUDE_COHORTS": "people=c1"}
    europe = Amplitude.from_env(env)
    events = list(europe.requests([contract.operation(n, "moment") for n in range(2_001)]))
    [edit] = europe.requests([contract.operation(1, "audience")])
    wide = [contract.operation(n, "moment", payload={"t": "é" * 300_000}) for n in range(2)]

    assert [len(r.operations) for r in events] == [1_000, 1_000, 1]
    large = Amplitude.from_env({**env, "KAIROS_AMPLITUDE_EVENTS_PER_SECOND": "50000"})
    rows = [contract.operation(n, "moment") for n in range(2_001)]
    assert [len(r.operations) for r in large.requests(rows)] == [2_000, 1]
    assert max(len(r.body) for r in events) < 1_000_000
    assert events[0].url == "https://api.eu.amplitude.com/2/httpapi"
    assert edit.url == "https://analytics.eu.amplitude.com/api/3/cohorts/membership"
    assert b'"cohort_id":"c1"' in edit.body and b'"id_type":"BY_ID"' in edit.body
    assert [len(r.operations) for r in europe.requests(wide)] == [1, 1]
