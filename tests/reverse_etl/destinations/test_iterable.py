"""Iterable: bulk calls whose answers name the users that failed."""

import json
from typing import ClassVar

from reverse_etl.destinations.base import Dedupe
from reverse_etl.destinations.iterable import Iterable
from reverse_etl.ledger.store import Standing
from tests.reverse_etl.conftest import NOW, later
from tests.reverse_etl.destinations.contract import Delivery, VendorContract

KEY = {"KAIROS_ITERABLE_API_KEY": "key"}


class TestIterable(VendorContract):
    name = "iterable"
    tells_when = False
    settings: ClassVar = {"KAIROS_ITERABLE_LISTS": "needs_help=7"}
    secrets: ClassVar = {"KAIROS_ITERABLE_API_KEY": ("audience", "profile", "moment")}
    probed = ("KAIROS_ITERABLE_API_KEY",)
    kinds: ClassVar = {"audience": Dedupe.SET, "profile": Dedupe.SET, "moment": Dedupe.KEY}
    audience = "7"
    typo = "8"
    called = "list 8"

    def test_an_audience_has_the_number_of_its_list(self, delivery: Delivery) -> None:
        delivery(self.operation(1, "audience", object_key="needs_help"))

        assert self.is_member("user-1")
        unknown = self.operation(2, "audience", object_key="people")
        assert delivery(unknown).counts == {"invalid": 1}

    def test_leaving_a_list_never_leaves_the_channel(self, delivery: Delivery) -> None:
        rows = [self.operation(n, "audience", verb="remove") for n in range(3)]

        assert delivery(*rows).counts == {"accepted": 3}

        assert self.sandbox.state("iterable")["channel_unsubscribed"] == []
        [request] = self.sandbox.requests("iterable")
        assert request.body["channelUnsubscribe"] is False

    def test_who_is_not_found_has_left_the_list(self, delivery: Delivery) -> None:
        leaves = self.operation(1, "audience", verb="remove", user_key="missing-1")
        joins = self.operation(2, "audience", user_key="missing-2")

        delivery(leaves, joins)

        assert delivery.states() == {"missing-1": "accepted", "missing-2": "rejected"}
        assert delivery.codes()["missing-2"] == "notFound"

    def test_the_forgotten_are_left_alone_for_good(self, delivery: Delivery) -> None:
        rows = [
            self.operation(n, kind, user_key=f"forgotten-{kind}")
            for n, kind in enumerate(self.kinds)
        ]

        first = delivery(*rows)
        second = delivery(*rows)

        assert first.counts == {"suppressed": 3}
        assert set(delivery.codes().values()) == {"forgotten"}
        assert second.request_count == 0

    def test_what_depends_on_a_profile_waits_for_a_minute(self, delivery: Delivery) -> None:
        delivery(self.operation(1, "profile"), at=NOW)
        kinds = ("moment", "audience", "profile")
        rows = [self.operation(2, kind, user_key="user-1") for kind in kinds]
        other = self.operation(3, "moment")

        outcome = delivery(*rows, other, at=later(seconds=59))

        assert outcome.counts == {"accepted": 2}
        assert outcome.standings[Standing.SETTLING] == 2
        # the profile went again meanwhile, and another minute is due
        assert delivery(*rows, at=later(seconds=118)).counts == {}
        assert delivery(*rows, at=later(seconds=119)).counts == {"accepted": 2}

    def test_every_group_of_failures_is_attributed(self, delivery: Delivery) -> None:
        users = ["conflict-1", "missing-1", "user-1"]
        rows = [self.operation(n, "profile", user_key=user) for n, user in enumerate(users)]

        assert delivery(*rows).counts == {"rejected": 2, "accepted": 1}
        assert delivery.codes() == {"conflict-1": "conflict", "missing-1": "notFound",
                                    "user-1": None}  # fmt: skip

    def test_a_batch_that_is_too_large_for_iterable_is_halved(self, delivery: Delivery) -> None:
        self.sandbox.fault(kind="5xx", status=413, destination="iterable", times=1)

        outcome = delivery(*(self.operation(n, "profile") for n in range(4)))

        assert outcome.counts == {"accepted": 4}
        assert outcome.request_count == 3


def test_regions_emails_and_limits() -> None:
    contract = TestIterable()
    env = {**KEY, "KAIROS_ITERABLE_REGION": "EU", "KAIROS_ITERABLE_IDENTIFY_BY": "email"}
    iterable = Iterable.from_env(env)
    members = [contract.operation(n, "audience") for n in range(1_001)]
    wide = [contract.operation(n, "moment", payload={"text": "x" * 3_000_000}) for n in range(2)]

    first, second = iterable.requests(members)

    assert first.url == "https://api.eu.iterable.com/api/lists/subscribe"
    assert json.loads(second.body)["subscribers"] == [{"email": "user-1000"}]
    assert (len(first.operations), first.serial_key) == (1_000, "list 7")
    assert [len(r.operations) for r in iterable.requests(wide)] == [1, 1]
