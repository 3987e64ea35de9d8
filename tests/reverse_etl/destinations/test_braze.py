"""Braze: success with errors inside, and attributes that are memberships."""

from typing import ClassVar

import pytest

from reverse_etl.destinations.base import Dedupe
from reverse_etl.destinations.braze import Braze
from reverse_etl.errors import NotConfigured
from tests.reverse_etl.destinations.contract import Delivery, VendorContract

KEY = {"KAIROS_BRAZE_API_KEY": "key"}


class TestBraze(VendorContract):
    name = "braze"
    secrets: ClassVar = {"KAIROS_BRAZE_API_KEY": ("audience", "profile", "moment")}
    probed = ("KAIROS_BRAZE_API_KEY",)
    kinds: ClassVar = {"audience": Dedupe.SET, "profile": Dedupe.SET, "moment": Dedupe.NONE}
    test_an_audience_that_does_not_exist_is_refused_in_one_request_and_named = None

    def is_member(self, user: str) -> bool:
        return self.witness.profiles[user].get("people") is True

    def test_errors_inside_a_success_are_attributed(self, delivery: Delivery) -> None:
        bad = ["user-3", "user-60"]
        self.sandbox.fault(kind="reject", destination="braze", users=bad, times=None)

        outcome = delivery(*(self.operation(n, "moment") for n in range(75)))

        assert outcome.counts == {"accepted": 73, "rejected": 2}
        assert [r.status for r in self.sandbox.requests("braze")] == [201]
        assert {u for u, state in delivery.states().items() if state == "rejected"} == set(bad)

    def test_a_batch_of_nothing_but_bad_rows_is_read_too(self, delivery: Delivery) -> None:
        bad = [f"user-{n}" for n in range(10)]
        self.sandbox.fault(kind="reject", destination="braze", users=bad, times=None)

        outcome = delivery(*(self.operation(n, "profile") for n in range(10)))

        assert outcome.counts == {"rejected": 10}
        assert outcome.request_count == 1

    def test_at_most_75_rows_of_a_kind(self, delivery: Delivery) -> None:
        audience = [self.operation(n, "audience") for n in range(75)]
        profiles = [self.operation(n, "profile") for n in range(76)]

        outcome = delivery(*audience, *profiles)

        assert outcome.counts == {"accepted": 151}
        assert outcome.request_count == 3


def test_the_instance_has_to_be_named() -> None:
    contract = TestBraze()
    with pytest.raises(NotConfigured, match="KAIROS_BRAZE_REGION to one of iad-01, "):
        Braze.from_env(KEY)

    europe = Braze.from_env({**KEY, "KAIROS_BRAZE_REGION": "FRA-02"})
    [request] = europe.requests([contract.operation(1, "audience")])
    assert request.url == "https://rest.fra-02.braze.eu/users/track"
