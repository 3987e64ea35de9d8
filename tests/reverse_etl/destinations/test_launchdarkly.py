"""LaunchDarkly: atomic edits of segments, one at a time."""

import json
from typing import ClassVar

from reverse_etl.destinations.base import Dedupe
from reverse_etl.destinations.launchdarkly import LaunchDarkly
from tests.reverse_etl.destinations.contract import Delivery, VendorContract

SETTINGS = {
    "KAIROS_LAUNCHDARKLY_TOKEN": "token",
    "KAIROS_LAUNCHDARKLY_PROJECT": "shop",
    "KAIROS_LAUNCHDARKLY_ENVIRONMENT": "test",
}


class TestLaunchDarkly(VendorContract):
    name = "launchdarkly"
    secrets: ClassVar = {"KAIROS_LAUNCHDARKLY_TOKEN": ("audience", "moment")}
    probed = ("KAIROS_LAUNCHDARKLY_TOKEN",)
    kinds: ClassVar = {"audience": Dedupe.SET, "moment": Dedupe.NONE}
    test_profiles_are_set_and_a_null_removes = None
    attributed = ("audience",)

    def test_who_comes_and_who_leaves_share_an_edit(self, delivery: Delivery) -> None:
        delivery(*(self.operation(n, "audience") for n in range(4)))

        outcome = delivery(
            *(self.operation(n + 10, "audience", verb="remove", user_key=f"user-{n}")
              for n in range(2)),
            self.operation(20, "audience"),
        )  # fmt: skip

        assert outcome.request_count == 1
        assert self.witness.members["people"] == {"user-2", "user-3", "user-20"}

    def test_an_edit_has_at_most_1500_targets(self, delivery: Delivery) -> None:
        delivery.env["KAIROS_LAUNCHDARKLY_BATCH_COUNT"] = "9000"

        outcome = delivery(*(self.operation(n, "audience") for n in range(3_001)))

        assert outcome.counts == {"accepted": 3_001}
        assert outcome.request_count == 3

    def test_edits_of_a_segment_never_meet(self, delivery: Delivery) -> None:
        delivery.env["KAIROS_LAUNCHDARKLY_BATCH_COUNT"] = "5"

        delivery(*(self.operation(n, "audience") for n in range(60)))

        assert {r.status for r in self.sandbox.requests("launchdarkly")} == {200}

    def test_a_busy_segment_is_tried_again(self, delivery: Delivery) -> None:
        self.sandbox.fault(kind="5xx", status=409, destination="launchdarkly", times=2)

        assert delivery(self.operation(1, "audience")).counts == {"accepted": 1}

    def test_a_big_segment_takes_contexts(self, delivery: Delivery) -> None:
        delivery.env["KAIROS_LAUNCHDARKLY_BIG_SEGMENTS"] = "big-help, other"
        delivery.env["KAIROS_LAUNCHDARKLY_SEGMENTS"] = "people=big-help"
        delivery(*(self.operation(n, "audience") for n in range(3)))

        delivery(self.operation(3, "audience", verb="remove", user_key="user-1"))

        assert self.witness.members["big-help"] == {"user-0", "user-2"}


def test_each_region_has_hosts_of_its_own() -> None:
    contract = TestLaunchDarkly()
    europe = LaunchDarkly.from_env({**SETTINGS, "KAIROS_LAUNCHDARKLY_REGION": "eu"})
    [request] = europe.requests([contract.operation(1, "audience", object_key="a b")])

    assert request.url == "https://app.eu.launchdarkly.com/api/v2/segments/shop/test/a%20b"
    assert europe.check(contract.operation(1, "moment")) is not None
    elsewhere = {"KAIROS_LAUNCHDARKLY_EVENTS_URL": "https://events.example.com"}
    [event] = LaunchDarkly.from_env(SETTINGS | elsewhere).requests(
        [contract.operation(1, "moment")]
    )
    assert event.url == "https://events.example.com/v2/event-data-import/shop/test"
    assert json.loads(event.body)[0]["contextKeys"] == {"user": "user-1"}
