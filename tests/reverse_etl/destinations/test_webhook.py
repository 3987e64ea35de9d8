"""The signed webhook: whoever receives it drops what it knows, as we ask of receivers."""

from collections.abc import Mapping
from typing import Any, ClassVar

from reverse_etl.destinations.base import Dedupe
from reverse_etl.model import Operation
from tests.reverse_etl.destinations.contract import VendorContract


class TestWebhook(VendorContract):
    name = "webhook"
    settings: ClassVar = {"KAIROS_WEBHOOK_REQUESTS_PER_SECOND": "1000"}
    secrets: ClassVar = {"KAIROS_WEBHOOK_SECRET": ("audience", "profile", "moment")}
    probed = ("KAIROS_WEBHOOK_SECRET",)
    kinds: ClassVar = dict.fromkeys(("audience", "profile", "moment"), Dedupe.KEY)
    content = '"object_key":"tip"'

    # a receiver makes of an audience what it likes
    test_an_audience_that_does_not_exist_is_refused_in_one_request_and_named = None
    # and answers what it likes
    test_an_answer_that_is_no_answer_is_not_taken_for_success = None

    def overlooks(self, fault: Mapping[str, Any], schedule: Mapping[str, Any]) -> bool:
        # it would say 200 to what the receiver refused
        return fault["kind"] == "malformed" and bool(schedule["rejected"])

    def holds(self, operation: Operation) -> bool:
        return self.times(operation) == 1
