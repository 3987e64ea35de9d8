"""Customer.io: 207 with the rows that failed, and events that are known by a ULID."""

from dataclasses import replace
from typing import ClassVar

from kairos.doctor.check import Status
from kairos.doctor.delivery import check_destination
from reverse_etl.destinations.base import Dedupe
from reverse_etl.destinations.customerio import CustomerIo, ulid
from reverse_etl.model import Operation
from tests.reverse_etl.conftest import NOW, later
from tests.reverse_etl.destinations.contract import Delivery, VendorContract

SETTINGS = {"KAIROS_CUSTOMERIO_SITE_ID": "site", "KAIROS_CUSTOMERIO_API_KEY": "key"}


class TestCustomerIo(VendorContract):
    name = "customerio"
    tells_when = False
    secrets: ClassVar = {"KAIROS_CUSTOMERIO_API_KEY": ("audience", "profile", "moment")}
    probed = ("KAIROS_CUSTOMERIO_API_KEY",)
    called = "segment poeple"
    kinds: ClassVar = {"audience": Dedupe.SET, "profile": Dedupe.SET, "moment": Dedupe.KEY}
    # ids that fit nobody are ignored without a word
    attributed = ("profile", "moment")

    def event_key(self, operation: Operation) -> str:
        return ulid(operation)

    def test_people_and_events_share_batches(self, delivery: Delivery) -> None:
        self.sandbox.fault(kind="reject", destination="customerio", users=["bad"], times=None)

        outcome = delivery(
            self.operation(1, "profile"),
            self.operation(2, "moment", user_key="bad"),
            self.operation(3, "moment"),
        )

        assert outcome.counts == {"accepted": 2, "rejected": 1}
        assert [r.status for r in self.sandbox.requests("customerio")] == [207]
        assert delivery.states()["bad"] == "rejected"

    def test_a_moment_that_would_start_no_campaign_expires(self, delivery: Delivery) -> None:
        old, sooner = (self.operation(n, "moment", expires_at=None) for n in (1, 2))
        sooner = replace(sooner, expires_at=later(hours=1))

        assert delivery(old, at=later(hours=72)).counts == {"expired": 1}
        assert delivery(sooner, at=later(hours=2)).counts == {"expired": 1}
        assert delivery(self.operation(3, "moment"), at=later(hours=71)).counts == {"accepted": 1}
        assert len(self.sandbox.requests("customerio")) == 1

    def test_the_doctor_knows_another_region(self, delivery: Delivery) -> None:
        wrong = {**delivery.env, "KAIROS_CUSTOMERIO_REGION": "eu"}

        assert check_destination("customerio", wrong).status is Status.FAIL

    def test_what_is_too_long_is_refused_here(self, delivery: Delivery) -> None:
        outcome = delivery(
            self.operation(1, "moment", user_key="é" * 76),
            self.operation(2, "moment", payload={"text": "x" * 32_000}),
            self.operation(3, "moment", user_key="é" * 75),
        )

        assert outcome.counts == {"invalid": 2, "accepted": 1}


def test_a_ulid_is_made_of_instant_and_key() -> None:
    contract = TestCustomerIo()
    one, other = (contract.operation(n, "moment") for n in (1, 2))

    assert ulid(one) == ulid(contract.operation(1, "moment")) != ulid(other)
    assert ulid(one)[:10] == ulid(other)[:10]
    digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    instant = sum(digits.index(d) * 32**n for n, d in enumerate(reversed(ulid(one)[:10])))
    assert instant == NOW.timestamp() * 1000


def test_batches_and_regions() -> None:
    contract = TestCustomerIo()
    env = {**SETTINGS, "KAIROS_CUSTOMERIO_REGION": "eu", "KAIROS_CUSTOMERIO_SEGMENTS": "people=5"}
    europe = CustomerIo.from_env(env)
    members = list(europe.requests([contract.operation(n, "audience") for n in range(1_001)]))
    wide = [contract.operation(n, "moment", payload={"t": "x" * 30_000}) for n in range(40)]
    batches = list(europe.requests(wide))

    root = "https://track-eu.customer.io/api"
    assert members[0].url == f"{root}/v1/segments/5/add_customers?id_type=id"
    assert [len(r.operations) for r in members] == [1_000, 1]
    assert batches[0].url == f"{root}/v2/batch"
    assert len(batches) == 3 and max(len(r.body) for r in batches) <= 500_000
