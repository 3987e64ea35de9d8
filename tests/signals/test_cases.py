"""Worked cases that need a whole history."""

import pytest

from tests.harness import Happening, Line

CTA = {"cta_id": "go"}


@pytest.mark.parametrize(
    ("impressions", "clicks", "is_escalated"), [(4, 1, False), (3, 0, False), (20, 0, True)]
)
def test_F6_a_click_rate_needs_enough_impressions(
    line: Line, impressions: int, clicks: int, is_escalated: bool
) -> None:
    """Of 4 or 3 impressions no share is known; none of 20 is surely under a fifth."""
    names = ["cta_impression"] * impressions + ["cta_click"] * clicks + ["cta_click_failed"] * 3
    happenings = [Happening(number * 5, name, CTA) for number, name in enumerate(names)]
    (failure,) = line.run(happenings, 10_000).signals("cta_failure")
    assert failure["is_escalated"] is is_escalated
