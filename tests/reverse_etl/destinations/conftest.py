"""The delivery of the contract, for every module of this folder."""

import pytest

pytest.register_assert_rewrite("tests.reverse_etl.destinations.contract")

from tests.reverse_etl.destinations.contract import delivery  # noqa: E402

__all__ = ["delivery"]
