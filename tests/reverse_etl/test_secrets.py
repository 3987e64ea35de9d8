"""A secret is not shown: not by what a vendor repeats, nor by an error of ours, in any form."""

import base64
import json
import traceback
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest

from reverse_etl.dispatch.network import Network
from reverse_etl.ledger.store import Ledger
from reverse_etl.masking import hide, redact
from reverse_etl.model import Request, Response
from reverse_etl.sandbox.vendors.appcues import KEY, SECRET
from reverse_etl.sync import sync
from tests.reverse_etl.conftest import NOW, Line, operation
from warehouse.errors import KairosError

ODD = 's3cr/t+key="ü'


def plainly(secret: str) -> list[str]:
    in_url = [quote(secret, safe=""), quote_plus(secret), quote(secret, safe="").lower()]
    in_json = json.dumps(secret)[1:-1]
    return [
        secret,
        *in_url,
        quote(in_url[0], safe=""),
        in_json,
        in_json.replace("/", "\\/"),
        json.dumps(in_json)[1:-1],
    ]


def in_base64(secret: str) -> list[str]:
    """As user, as password of users of any length, with something behind it, in both alphabets."""
    said = [
        f"{before}{secret}{after}" for before in ("", "u:", "us:", "use:") for after in ("", ":")
    ]
    coded = [
        code(text.encode()).decode()
        for text in said
        for code in (base64.b64encode, base64.urlsafe_b64encode)
    ]
    return [*coded, *(one.rstrip("=") for one in coded), *(quote(one, safe="") for one in coded)]


@pytest.mark.parametrize("secret", [ODD, "sk_live_0123456789", "two words", "p%40ss"])
def test_every_form_of_a_secret_is_taken_out_and_the_rest_stays(secret: str) -> None:
    for form in [*plainly(secret), *in_base64(secret)]:
        for around in ("{}", "Basic {}", "key={}", '"{}"', "/x/{}", "{}, and again {}"):
            text = f"it says {around.format(form, form)} here"
            shown = hide(text, [secret])
            assert form not in shown and "***" in shown, (form, shown)
            assert shown.startswith("it says ") and shown.endswith(" here")


def test_what_is_no_secret_stays() -> None:
    text = "there is no /api/v1/customers/abcdef (HTTP 404): dGhlcmUgaXMgbm9uZQ== or %2Fb%2F"
    assert hide(text, [ODD, "abc", "sk_live_0123456789"]) == text.replace("abc", "***")
    assert hide(text, []) == text


def test_of_an_address_password_and_path_are_secrets() -> None:
    secrets = ["https://hooks.example.com/catch/123/abcdef", "redis://kairos:sup3r%2Fpw@host:1/0"]
    text = 'Cannot POST /catch/123/abcdef: "sup3r/pw", sup3r%2Fpw at host:1'
    assert hide(text, secrets) == 'Cannot POST ***: "***", *** at host:1'
    proxies = {"https": "me:pr0xy-pw@proxy:3128", "http": "http://proxy:3128", "no": "a@b"}
    assert hide("407 for me:pr0xy-pw", Network(proxies).secrets()) == "407 for me:***"


def test_a_person_in_a_path_is_masked() -> None:
    assert redact("no /users/ann%2F1", (), ["ann/1"]) == "no /users/a***1"


class Answering:
    """A transport whose other side knows only one thing to say, or breaks."""

    def __init__(self, answer: Callable[[Request], Response]) -> None:
        self.answer = answer

    def send(self, request: Request) -> Response:
        return self.answer(request)

    def close(self) -> None:
        pass


def repeating(request: Request) -> Response:
    credentials = request.headers["Authorization"]
    text = f"{credentials} {SECRET} {quote_plus(SECRET)} {base64.b64encode(SECRET.encode())!r}"
    return Response(422, {}, json.dumps({"detail": text}).encode())


def breaking(request: Request) -> Response:
    try:
        raise ValueError(f"Invalid header value {request.headers['Authorization']!r}")
    except ValueError as error:
        raise RuntimeError("could not send") from error


def traces(text: str) -> list[str]:
    both = f"{KEY}:{SECRET}".encode()
    forms = [SECRET, base64.b64encode(both).decode(), base64.b64encode(SECRET.encode()).decode()]
    return [form for form in forms if form in text]


def deliver(line: Line, answer: Callable[[Request], Response]) -> object:
    line.plan([operation(n, destination="appcues") for n in range(2)])
    return sync(line.home, "appcues", line.env, lambda: NOW, transport=Answering(answer))


def rows(line: Line) -> list[str]:
    with Ledger.open(line.home.ledger_url) as ledger:
        return [str(row.error_message) for row in ledger.operations()]


def test_what_a_vendor_repeats_reaches_neither_ledger_nor_report(line: Line) -> None:
    report = deliver(line, repeating)

    assert [message.count("***") for message in rows(line)] == [4, 4]
    assert traces(str(report) + str(rows(line))) == []


def test_an_error_of_ours_shows_no_credentials_and_nor_does_its_cause(line: Line, caplog) -> None:
    with pytest.raises(KairosError, match="RuntimeError: could not send") as raised:
        deliver(line, breaking)

    told = "".join(traceback.format_exception(raised.value)) + caplog.text
    assert "Invalid header" not in told
    assert traces(told + str(rows(line))) == []
