"""Appcues: segments with set semantics, and events that it cannot tell apart."""

from typing import ClassVar

from reverse_etl.destinations.base import Dedupe
from tests.reverse_etl.destinations.contract import VendorContract


class TestAppcues(VendorContract):
    name = "appcues"
    secrets: ClassVar = {"KAIROS_APPCUES_API_SECRET": ("audience", "profile", "moment")}
    probed = ("KAIROS_APPCUES_API_SECRET",)
    kinds: ClassVar = {"audience": Dedupe.SET, "profile": Dedupe.SET, "moment": Dedupe.NONE}
