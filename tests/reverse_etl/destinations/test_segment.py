"""Segment: a destination that says success whatever it does."""

import json
from typing import ClassVar

import pytest

from reverse_etl.destinations.base import Dedupe
from reverse_etl.destinations.segment import Segment
from reverse_etl.errors import NotConfigured
from reverse_etl.model import Response
from tests.reverse_etl.destinations.contract import Delivery, VendorContract

KEY = {"KAIROS_SEGMENT_WRITE_KEY": "key"}


class TestSegment(VendorContract):
    name = "segment"
    secrets: ClassVar = {"KAIROS_SEGMENT_WRITE_KEY": ("audience", "profile", "moment")}
    probed = ("KAIROS_SEGMENT_WRITE_KEY",)
    kinds: ClassVar = {"audience": Dedupe.SET, "profile": Dedupe.SET, "moment": Dedupe.KEY}
    attributed = ()
    test_an_audience_that_does_not_exist_is_refused_in_one_request_and_named = None

    def is_member(self, user: str) -> bool:
        return self.witness.profiles[user]["people"] is True

    def test_a_removal_says_false(self, delivery: Delivery) -> None:
        delivery.env["KAIROS_SEGMENT_TRAITS"] = "people=is_helped"

        delivery(self.operation(1, "audience", verb="remove"))

        assert self.witness.profiles["user-1"] == {"is_helped": False}

    def test_what_segment_would_drop_is_refused_here(self, delivery: Delivery) -> None:
        sizes = {"user-1": 31_000, "user-2": 33_000, "user-3": 16_000}
        rows = [
            self.operation(n, "moment", user_key=user, payload={"text": "x" * size})
            for n, (user, size) in enumerate(sizes.items())
        ]
        two_bytes_each = self.operation(4, "moment", payload={"text": "é" * 16_000})

        outcome = delivery(*rows, two_bytes_each)

        assert outcome.counts == {"accepted": 2, "invalid": 2}
        assert self.sandbox.state("segment")["silently_dropped_count"] == 0

    def test_batches_keep_to_what_segment_takes(self, delivery: Delivery) -> None:
        many = [self.operation(n, "profile", payload={}) for n in range(2_600)]
        wide = [self.operation(n, "moment", payload={"t": "x" * 20_000}) for n in range(60)]

        outcome = delivery(*many, *wide)

        assert outcome.counts == {"accepted": 2_660}
        assert self.sandbox.state("segment")["silently_dropped_count"] == 0
        assert max(len(r.body_bytes) for r in self.sandbox.requests("segment")) <= 500_000

    def test_no_success_is_no_success(self, delivery: Delivery) -> None:
        destination = Segment.from_env(KEY)
        [request] = destination.requests([self.operation(1, "moment")])
        with pytest.raises(ValueError):
            destination.results(request, Response(200, {}, b'{"success": false}'))


def test_european_data_never_goes_to_america() -> None:
    contract = TestSegment()
    europe = Segment.from_env({**KEY, "KAIROS_SEGMENT_REGION": "eu"})
    [request] = europe.requests([contract.operation(1, "audience")])

    assert request.url == "https://events.eu1.segmentapis.com/v1/batch"
    with pytest.raises(NotConfigured, match="KAIROS_SEGMENT_REGION to one of us, eu"):
        Segment.from_env({**KEY, "KAIROS_SEGMENT_REGION": "europe"})


def test_long_keys_become_short_ones_that_stay_the_same() -> None:
    contract = TestSegment()
    destination = Segment.from_env(KEY)
    rows = [contract.operation(n, "moment", key=f"{'k' * 120}{n}") for n in (1, 2, 1)]

    [request] = destination.requests(rows)

    first, second, third = (m["messageId"] for m in json.loads(request.body)["batch"])
    assert first == third != second
    assert len(first) < 100
