"""Mixpanel: an answer of 400 that took almost everything."""

import json
from typing import ClassVar

from reverse_etl.destinations.base import Dedupe
from reverse_etl.destinations.mixpanel import Mixpanel
from tests.reverse_etl.destinations.contract import Delivery, VendorContract

SETTINGS = {
    "KAIROS_MIXPANEL_SERVICE_ACCOUNT": "account",
    "KAIROS_MIXPANEL_SERVICE_SECRET": "secret",
    "KAIROS_MIXPANEL_PROJECT_ID": "1",
    "KAIROS_MIXPANEL_TOKEN": "token",
}


class TestMixpanel(VendorContract):
    name = "mixpanel"
    tells_when = False
    settings: ClassVar = {"KAIROS_MIXPANEL_PAUSE_SECONDS": "0.1"}
    secrets: ClassVar = {
        "KAIROS_MIXPANEL_SERVICE_SECRET": ("moment",),
        "KAIROS_MIXPANEL_TOKEN": ("audience", "profile"),
    }
    probed = ("KAIROS_MIXPANEL_SERVICE_SECRET",)
    kinds: ClassVar = {"audience": Dedupe.SET, "profile": Dedupe.SET, "moment": Dedupe.KEY}
    test_an_audience_that_does_not_exist_is_refused_in_one_request_and_named = None

    def is_member(self, user: str) -> bool:
        return self.witness.profiles[user].get("people") is True

    def test_the_good_rows_of_a_400_are_not_sent_again(self, delivery: Delivery) -> None:
        bad = ["user-3", "user-500"]
        self.sandbox.fault(kind="reject", destination="mixpanel", users=bad, times=None)

        outcome = delivery(*(self.operation(n, "moment") for n in range(1_000)))

        assert outcome.counts == {"accepted": 998, "rejected": 2}
        assert outcome.request_count == 1
        assert {user for user, s in delivery.states().items() if s == "rejected"} == set(bad)

    def test_a_failure_is_found_among_rows_that_set_and_remove(self, delivery: Delivery) -> None:
        self.sandbox.fault(kind="reject", destination="mixpanel", users=["user-1"], times=None)
        both = {"plan": "pro", "band": None}

        delivery(*(self.operation(n, "profile", payload=both) for n in range(3)))

        assert delivery.states() == {"user-0": "accepted", "user-1": "rejected",
                                     "user-2": "accepted"}  # fmt: skip

    def test_a_repetition_is_known_by_its_insert_id(self, delivery: Delivery) -> None:
        self.sandbox.fault(kind="commit_then_drop", destination="mixpanel")
        long = self.operation(1, "moment", key="a key of more than 36 letters, with signs in it")

        assert delivery(long).counts == {"accepted": 1}
        assert self.witness.deduplicated_count == 1


def test_batches_regions_and_limits() -> None:
    contract = TestMixpanel()
    india = Mixpanel.from_env({**SETTINGS, "KAIROS_MIXPANEL_REGION": "in"})
    requests = list(india.requests([contract.operation(n, "moment") for n in range(2_001)]))
    huge = contract.operation(1, "moment", payload={"text": "x" * 1_000_000})

    assert [len(r.operations) for r in requests] == [2_000, 1]
    assert requests[0].url == "https://api-in.mixpanel.com/import?strict=1&project_id=1"
    assert json.loads(requests[1].body)[0]["properties"]["time"] == 1_772_625_600_000
    assert "more than 1000000" in str(india.check(huge))
    assert india.check(contract.operation(1, "moment")) is None
