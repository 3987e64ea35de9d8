"""The pages about destinations say what is so."""

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import MISSING
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from reverse_etl import destinations
from reverse_etl.destinations.base import Destination
from reverse_etl.model import Kind
from tests.reverse_etl.conftest import moment, operation
from warehouse.home import PROJECT

TABLE = (PROJECT / "docs" / "destinations.md").read_text()
PAGE = (PROJECT / "docs" / "add-a-destination.md").read_text()


def row_of(name: str) -> list[str]:
    [row] = [line for line in TABLE.splitlines() if line.startswith(f"| `{name}` |")]
    return [cell.strip() for cell in row.split("|")[1:-1]]


def variables(found: type[Destination]) -> dict[str, bool]:
    """Each variable of a destination, and whether it must be set."""
    return {
        f"KAIROS_{found.name}_{field.name}".upper(): (
            field.default is MISSING and field.default_factory is MISSING
        )
        for field in found.settings()
    }


@pytest.mark.parametrize("name", destinations.names())
def test_every_destination_has_a_row_with_what_must_be_set(name: str) -> None:
    found = destinations.find(name)
    required = {variable for variable, must in variables(found).items() if must}

    named = set(re.findall(r"KAIROS_\w+", row_of(name)[4]))

    assert required <= named
    assert named <= set(variables(found))


@pytest.mark.parametrize("name", destinations.names())
def test_kinds_and_repetitions_are_as_the_table_says(name: str) -> None:
    found = destinations.find(name)
    base = f"KAIROS_{name.upper()}_BASE_URL"
    values = {
        v: "http://127.0.0.1:9" if v.endswith("_URL") else "1"
        for v, must in {**variables(found), base: True}.items()
        if must
    }
    dedupe = found.from_env(values).capabilities.dedupe
    _, has_moment, has_audience, has_profile, _, twice = row_of(name)

    kinds = {Kind.MOMENT: has_moment, Kind.AUDIENCE: has_audience, Kind.PROFILE: has_profile}
    assert {kind for kind, cell in kinds.items() if cell != "none"} == set(dedupe)
    says_none = twice.startswith(("may happen twice", "two "))
    assert says_none == (dedupe.get(Kind.MOMENT) == "none")


def test_every_variable_that_is_named_exists() -> None:
    known = {v for name in destinations.names() for v in variables(destinations.find(name))}
    named = {v for v in re.findall(r"KAIROS_[A-Z][A-Z0-9_]+", TABLE) if not v.endswith("_")}

    assert named <= known


class Acme(BaseHTTPRequestHandler):
    """What the page's vendor would be: refuses one user, and remembers the rest."""

    seen: list[tuple[str, Any]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append((self.path, body))
        rows = body["users"] if isinstance(body, dict) else [event["user"] for event in body]
        failed = [
            {"row": position, "code": "bad", "text": "no"}
            for position, user in enumerate(rows)
            if user == "user-2"
        ]
        answer = json.dumps({"failed": failed}).encode()
        is_ours = self.headers["Authorization"] == "Bearer s3cret"
        self.send_response(200 if is_ours else 401)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def acme() -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    handler = type("Handler", (Acme,), {"seen": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", handler.seen
        server.shutdown()


def test_the_destination_of_the_page_delivers(deliver, acme, monkeypatch) -> None:
    url, seen = acme
    [code] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    module: dict[str, Any] = {"__name__": "acme"}
    exec(compile(code, "acme.py", "exec"), module)
    monkeypatch.setattr(destinations, "find", lambda _: module["Acme"])
    delivery = deliver("acme", {"KAIROS_ACME_API_KEY": "s3cret", "KAIROS_ACME_BASE_URL": url})

    outcome = delivery(
        *(operation(n, destination="acme") for n in range(4)),
        operation(9, destination="acme", verb="remove"),
        moment(7, destination="acme"),
    )

    assert outcome.counts == {"accepted": 5, "rejected": 1}
    assert delivery.states()["user-2"] == "rejected"
    assert {path for path, _ in seen} == {"/groups/people/add", "/groups/people/remove", "/events"}
    delivery.env["KAIROS_ACME_API_KEY"] = "wrong"
    assert delivery(moment(8, destination="acme")).problem is not None
