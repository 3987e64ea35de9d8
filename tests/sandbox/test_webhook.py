"""The receiver of the signed webhook: it verifies, and it drops what it has seen."""

import hashlib
import hmac
import json
import time

import pytest
import requests

from reverse_etl.sandbox import Sandbox
from reverse_etl.sandbox.vendors.webhook import SECRET


def row(key: str, **changes: object) -> dict:
    return {
        "idempotency_key": key,
        "kind": "moment",
        "operation": "send",
        "object_key": "tip",
        "user_id": "a",
        "decided_at": None,
        "payload": {},
        **changes,
    }


def post(
    sandbox: Sandbox, *rows: dict, secret: str = SECRET, age_seconds: int = 0
) -> requests.Response:
    body = json.dumps({"format": "kairos/1", "operations": rows}).encode()
    stamp = str(int(time.time()) - age_seconds)
    digest = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json",
        "Idempotency-Key": "batch",
        "Kairos-Signature": f"t={stamp},v1={digest}",
    }
    return requests.post(sandbox.base_url("webhook"), data=body, headers=headers, timeout=5)


def test_a_row_that_comes_again_does_nothing(sandbox: Sandbox) -> None:
    assert post(sandbox, row("k1"), row("k2")).json() == {"received": 2, "repeated": 0}
    assert post(sandbox, row("k2"), row("k3")).json() == {"received": 2, "repeated": 1}
    state = sandbox.state("webhook")
    assert state["events"] == {"k1": 1, "k2": 1, "k3": 1}
    assert state["deduplicated_count"] == 1


def test_memberships_and_profiles_are_kept(sandbox: Sandbox) -> None:
    post(
        sandbox,
        row("k1", kind="audience", operation="add", object_key="stuck"),
        row("k2", kind="audience", operation="add", object_key="stuck", user_id="b"),
        row("k3", kind="audience", operation="remove", object_key="stuck"),
        row("k4", kind="profile", operation="update", payload={"score": 0.5}),
    )
    state = sandbox.state("webhook")
    assert state["members"] == {"stuck": ["b"]}
    assert state["profiles"] == {"a": {"score": 0.5}}


@pytest.mark.parametrize("changes", [{"secret": "other"}, {"age_seconds": 301}])
def test_a_wrong_or_old_signature_is_refused(sandbox: Sandbox, changes: dict) -> None:
    assert post(sandbox, row("k1"), **changes).status_code == 401
    assert sandbox.state("webhook")["events"] == {}


def test_one_bad_row_refuses_the_batch(sandbox: Sandbox) -> None:
    assert post(sandbox, row("k1"), row("k2", kind="wish")).status_code == 400
    sandbox.fault(kind="reject", users=["b"], times=None)
    assert post(sandbox, row("k1"), row("k2", user_id="b")).status_code == 422
    assert sandbox.state("webhook")["events"] == {}
