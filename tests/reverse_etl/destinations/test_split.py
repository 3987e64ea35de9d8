"""Split: keys that are added and removed, and never replaced."""

from typing import ClassVar

from reverse_etl.destinations.base import Dedupe
from reverse_etl.destinations.split import Split
from tests.reverse_etl.destinations.contract import Delivery, VendorContract

SETTINGS = {
    "KAIROS_SPLIT_ADMIN_KEY": "admin",
    "KAIROS_SPLIT_SDK_KEY": "sdk",
    "KAIROS_SPLIT_ENVIRONMENT_ID": "e1",
}


class TestSplit(VendorContract):
    name = "split"
    secrets: ClassVar = {
        "KAIROS_SPLIT_ADMIN_KEY": ("audience",),
        "KAIROS_SPLIT_SDK_KEY": ("moment",),
    }
    probed = ("KAIROS_SPLIT_ADMIN_KEY",)
    kinds: ClassVar = {"audience": Dedupe.SET, "moment": Dedupe.NONE}
    test_profiles_are_set_and_a_null_removes = None

    def test_many_chunks_keep_each_other(self, delivery: Delivery) -> None:
        outcome = delivery(*(self.operation(n, "audience") for n in range(10_001)))

        assert outcome.counts == {"accepted": 10_001}
        assert outcome.request_count == 2
        assert len(self.witness.members["people"]) == 10_001
        assert {r.query["replace"] for r in self.sandbox.requests("split")} == {"false"}

    def test_a_key_of_harness_has_a_header_of_its_own(self, delivery: Delivery) -> None:
        delivery.env["KAIROS_SPLIT_IS_HARNESS"] = "true"

        assert delivery(self.operation(1, "audience")).counts == {"accepted": 1}
        assert "x-api-key" in self.sandbox.requests("split")[0].headers

    def test_moments_wait_for_a_key_and_a_possible_name(self, delivery: Delivery) -> None:
        delivery.env["KAIROS_SPLIT_EVENT_NAME"] = "no name"
        assert delivery(self.operation(1, "moment")).counts == {"invalid": 1}

        del delivery.env["KAIROS_SPLIT_SDK_KEY"]
        del delivery.env["KAIROS_SPLIT_EVENT_NAME"]
        assert delivery(self.operation(2, "moment")).counts == {"invalid": 1}


def test_requests_are_those_that_are_documented() -> None:
    contract = TestSplit()
    env = {**SETTINGS, "KAIROS_SPLIT_SEGMENTS": "people=helped"}
    requests = Split.from_env(env).requests(
        [
            contract.operation(1, "audience"),
            contract.operation(2, "audience", verb="remove"),
            contract.operation(3, "moment", payload={"text": "x" * 600_000}),
            contract.operation(4, "moment", payload={"text": "x" * 600_000}),
        ]
    )

    admin = "https://api.split.io/internal/api/v2/segments/e1/helped"
    assert [(r.method, r.url) for r in requests] == [
        ("PUT", f"{admin}/uploadKeys?replace=false"),
        ("PUT", f"{admin}/removeKeys"),
        ("POST", "https://events.split.io/api/events/bulk"),
        ("POST", "https://events.split.io/api/events/bulk"),
    ]
