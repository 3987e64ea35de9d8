"""Intercom: contacts that must be looked up before anything can be done about them."""

from typing import ClassVar

import pytest

from reverse_etl.destinations.base import Dedupe
from reverse_etl.destinations.intercom import Contacts, Intercom
from reverse_etl.errors import NotSent, OutcomeUnknown
from reverse_etl.model import Request, Response
from tests.reverse_etl.destinations.contract import Delivery, VendorContract

TOKEN = {"KAIROS_INTERCOM_ACCESS_TOKEN": "token"}


class TestIntercom(VendorContract):
    name = "intercom"
    secrets: ClassVar = {"KAIROS_INTERCOM_ACCESS_TOKEN": ("audience", "profile", "moment")}
    probed = ("KAIROS_INTERCOM_ACCESS_TOKEN",)
    called = "tag 'poeple'"
    kinds: ClassVar = {"audience": Dedupe.SET, "profile": Dedupe.SET, "moment": Dedupe.NONE}

    forgives_removals = True

    # a tag is given to one contact at a time
    refusals = 9

    def test_a_contact_is_looked_up_once_and_made_once(self, delivery: Delivery) -> None:
        delivery(
            self.operation(1, "profile"),
            *(self.operation(n, "audience", user_key="user-1", object_key=f"tag-{n}")
              for n in range(2, 8)),
        )  # fmt: skip

        paths = [(r.method, r.path.removeprefix("/intercom")) for r in
                 self.sandbox.requests("intercom")]  # fmt: skip
        assert paths.count(("POST", "/contacts/search")) == 1
        assert paths.count(("POST", "/contacts")) == 1
        assert paths.count(("POST", "/contacts/contact-1/tags")) == 6

    def test_what_is_known_of_every_contact_has_its_own_field(self, delivery: Delivery) -> None:
        delivery(self.operation(1, "profile", payload={"email": "a@example.com", "plan": "pro"}))

        [contact] = self.sandbox.vendor("intercom").contacts.values()
        assert contact["email"] == "a@example.com"
        assert contact["custom_attributes"] == {"plan": "pro"}

    def test_strangers_are_made_only_if_that_is_wanted(self, delivery: Delivery) -> None:
        delivery.env["KAIROS_INTERCOM_CREATE_CONTACTS"] = "no"
        leaves = self.operation(1, "audience", verb="remove", user_key="nobody")

        outcome = delivery(leaves, self.operation(2, "audience"))

        assert delivery.states() == {"nobody": "accepted", "user-2": "rejected"}
        assert outcome.warnings == set(), "the tag is there"
        assert outcome.request_count == 2
        assert self.sandbox.vendor("intercom").contacts == {}

    def test_a_lookup_that_fails_has_done_nothing(self, delivery: Delivery) -> None:
        for kind in ("commit_then_drop", "malformed", "429", "5xx", "reset"):
            self.sandbox.fault(kind=kind, destination="intercom", path="search", seconds=0.05)

            assert delivery(self.operation(1, "audience", key=kind)).counts == {"accepted": 1}

    def test_a_moment_for_a_stranger_is_refused(self, delivery: Delivery) -> None:
        stranger = self.operation(1, "moment", user_key="missing-1")

        assert delivery(stranger).counts == {"rejected": 1}


def test_a_lookup_without_an_answer_was_no_delivery() -> None:
    contract = TestIntercom()
    intercom = Intercom.from_env(TOKEN)
    [request] = intercom.requests([contract.operation(1, "audience")])

    class Silent:
        def send(self, _: Request) -> Response:
            raise OutcomeUnknown("nobody answered")

        def close(self) -> None:
            pass

    contacts = Contacts(Silent(), intercom._search, intercom._create)

    with pytest.raises(NotSent, match="looking the contact up"):
        contacts.send(request)


def test_edits_of_one_contact_never_meet() -> None:
    contract = TestIntercom()
    kinds = ("audience", "profile")
    rows = [contract.operation(n, kind, user_key="ann") for n, kind in enumerate(kinds)]

    assert {r.serial_key for r in Intercom.from_env(TOKEN).requests(rows)} == {"contact ann"}


def test_each_region_has_a_host_of_its_own() -> None:
    contract = TestIntercom()
    australia = Intercom.from_env({**TOKEN, "KAIROS_INTERCOM_REGION": "au"})
    [request] = australia.requests([contract.operation(1, "moment")])

    assert request.url == "https://api.au.intercom.io/events"
    assert request.headers["Intercom-Version"] == "2.14"
