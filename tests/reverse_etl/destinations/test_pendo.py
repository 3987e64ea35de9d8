"""Pendo: patches of segments, metadata in bulk, track events with a secret of their own."""

import json
from typing import ClassVar

from reverse_etl.destinations.base import Dedupe
from reverse_etl.destinations.pendo import Pendo
from tests.reverse_etl.destinations.contract import Delivery, VendorContract

KEYS = {"KAIROS_PENDO_INTEGRATION_KEY": "key", "KAIROS_PENDO_TRACK_SECRET": "secret"}


class TestPendo(VendorContract):
    name = "pendo"
    tells_when = False
    secrets: ClassVar = {
        "KAIROS_PENDO_INTEGRATION_KEY": ("audience", "profile"),
        "KAIROS_PENDO_TRACK_SECRET": ("moment",),
    }
    probed = ("KAIROS_PENDO_INTEGRATION_KEY",)
    kinds: ClassVar = {"audience": Dedupe.SET, "profile": Dedupe.SET, "moment": Dedupe.NONE}

    def test_a_visitor_without_metadata_is_named(self, delivery: Delivery) -> None:
        missing = self.operation(1, "profile", user_key="missing-1")

        outcome = delivery(missing, self.operation(2, "profile"))

        assert outcome.counts == {"rejected": 1, "accepted": 1}
        assert delivery.codes()["missing-1"] == "missing"
        delivery.env["KAIROS_PENDO_CREATE_VISITORS"] = "yes"
        assert delivery(missing).counts == {"accepted": 1}

    def test_edits_of_a_segment_never_meet(self, delivery: Delivery) -> None:
        delivery.env["KAIROS_PENDO_BATCH_COUNT"] = "5"
        delivery.env["KAIROS_PENDO_REQUESTS_PER_SECOND"] = "100000"
        self.sandbox.limit("pendo", None)

        outcome = delivery(*(self.operation(n, "audience") for n in range(60)))

        assert outcome.counts == {"accepted": 60}
        assert {r.status for r in self.sandbox.requests("pendo")} == {200}

    def test_a_busy_segment_is_tried_again(self, delivery: Delivery) -> None:
        self.sandbox.fault(kind="5xx", status=409, destination="pendo", times=2)

        assert delivery(self.operation(1, "audience")).counts == {"accepted": 1}

    def test_moments_wait_for_the_secret_of_track_events(self, delivery: Delivery) -> None:
        del delivery.env["KAIROS_PENDO_TRACK_SECRET"]

        assert delivery(self.operation(1, "moment")).counts == {"invalid": 1}


def test_each_region_has_hosts_of_its_own() -> None:
    contract = TestPendo()
    env = {**KEYS, "KAIROS_PENDO_REGION": "eu", "KAIROS_PENDO_SEGMENTS": "people=seg 1"}
    requests = Pendo.from_env(env).requests(
        [contract.operation(1, "audience"), contract.operation(2, "moment")]
    )

    assert [(r.method, r.url) for r in requests] == [
        ("PATCH", "https://app.eu.pendo.io/api/v1/segment/seg%201/visitor"),
        ("POST", "https://data.eu.pendo.io/data/track"),
    ]
    japan = Pendo.from_env({**KEYS, "KAIROS_PENDO_REGION": "jp"})
    assert japan.check(contract.operation(1, "moment")) is not None
    assert next(iter(japan.requests([contract.operation(1, "audience")]))).url.startswith(
        "https://app.jpn.pendo.io/"
    )


def test_batches_keep_to_count_and_bytes() -> None:
    contract = TestPendo()
    rows = [contract.operation(n, "audience") for n in range(2_500)]
    wide = [contract.operation(n, "profile", payload={"text": "é" * 300_000}) for n in range(4)]

    by_count = list(Pendo.from_env(KEYS).requests(rows))
    by_bytes = list(Pendo.from_env(KEYS).requests(wide))

    assert [len(r.operations) for r in by_count] == [1_000, 1_000, 500]
    assert [len(json.loads(r.body)) for r in by_bytes] == [1, 1, 1, 1]
