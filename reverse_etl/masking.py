"""Keep people and secrets out of what is shown, logged and kept."""

import base64
import binascii
import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from warehouse.errors import KairosError
from warehouse.home import PROJECT

PERSONAL_FIELDS = PROJECT / "seeds" / "personal_fields.csv"
LONGEST_MESSAGE = 300
_EMAIL = re.compile(r"[\w.+%-]+@[\w-]+(\.[\w-]+)+")
_PHONE = re.compile(r"\+\d[\d ().-]{6,18}\d")
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/_-]|%(?:25)*2[BbFf])+(?:=|%(?:25)*3[Dd])*")
"""What may be base64, of either alphabet, as it is or as part of a URL."""
_STANDARD = str.maketrans("-_", "+/")
"""Makes the usual alphabet of base64 of that for URLs."""
_SHORTEST_IN_BASE64 = 4
"""Shorter secrets are found by chance in what is no base64 at all."""
_SHORTEST_PATH = 8
"""Shorter paths of an address that is a secret are words."""
_PLAIN_KEYS = frozenset(
    {"trigger_name", "channel", "tier", "content_key", "segment", "band", "locale", "moment_at"}
)
"""Payload fields that describe the message or a crowd, never one person."""


@cache
def personal_fields() -> frozenset[str]:
    """The names of columns and payload fields that `seeds/personal_fields.csv` calls personal."""
    with PERSONAL_FIELDS.open(newline="") as file:
        return frozenset(row["field_name"] for row in csv.DictReader(file))


def mask(text: str) -> str:
    """Keep the first and the last character of something personal: `a***e`."""
    return f"{text[0]}***{text[-1]}" if len(text) > 2 else "***"


def mask_payload(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the shape of a payload and mask its values, but for what describes the message."""
    return {key: _mask_value(key, value) for key, value in payload.items()}


def mask_personal(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Mask the values of personal fields alone: for what is about a person whom one asked for."""
    personal = personal_fields()
    return {key: mask_all(value) if key in personal else value for key, value in fields.items()}


def mask_all(value: Any) -> Any:
    """Mask whatever it is, but keep its shape."""
    return _mask_value("", value)


def _mask_value(key: str, value: Any) -> Any:
    is_plain = key in _PLAIN_KEYS and key not in personal_fields()
    if value is None or isinstance(value, bool) or is_plain:
        return value
    if isinstance(value, Mapping):
        return mask_payload(value)
    if isinstance(value, list):
        return [_mask_value(key, item) for item in value]
    return mask(value if isinstance(value, str) else json.dumps(value))


def redact(text: str, secrets: Iterable[str], people: Iterable[str] = ()) -> str:
    """Shorten a foreign message; take secrets, user keys, addresses and phone numbers out of it."""
    text = hide(text, secrets)
    text = _PHONE.sub("***", _EMAIL.sub("***", text[: LONGEST_MESSAGE * 4]))
    for person in people:
        # a key of one or two characters would mask half of every word
        if len(person) > 2:
            for form in (person, quote(person, safe="")):
                text = text.replace(form, mask(person))
    return " ".join(text.split())[:LONGEST_MESSAGE]


def hide(text: str, secrets: Iterable[str]) -> str:
    """Take secrets out of a text, however they are written there.

    As they are, with the escapes of JSON or of URLs, and in base64, alone or with what stands
    around them, as a user name does in Basic credentials. Of an address that is a secret also the
    password, and the path with its query, which is what servers repeat.
    """
    parts = sorted({part for secret in secrets for part in _parts(secret)}, key=len, reverse=True)
    for part in parts:
        text = _written(part).sub("***", text)
    coded = [part.encode() for part in parts if len(part) >= _SHORTEST_IN_BASE64]
    if not coded:
        return text
    return _BASE64.sub(lambda run: "***" if _holds(run[0], coded) else run[0], text)


def harmless(error: Exception, secrets: Sequence[str]) -> Exception:
    """Give an error, or another in its place where it, or what led to it, would show a secret."""
    told = [str(one) for one in _chain(error)]
    if all(hide(text, secrets) == text for text in told):
        return error
    return KairosError(f"{type(error).__name__}: {redact(str(error), secrets)}")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _parts(secret: str) -> Iterable[str]:
    if not secret:
        return
    yield secret
    if "://" not in secret:
        return
    try:
        address = urlsplit(secret)
    except ValueError:
        return
    if address.password:
        yield unquote(address.password)
    path = f"{address.path}?{address.query}" if address.query else address.path
    if len(path) >= _SHORTEST_PATH:
        yield path


@lru_cache(maxsize=64)
def _written(secret: str) -> re.Pattern[str]:
    """Make a pattern of every way to write a text in JSON, in a URL, or in both."""
    return re.compile("".join(map(_letter, secret)))


def _letter(letter: str) -> str:
    # coded twice, a percent sign is %25, and a backslash is two
    in_url = "".join(f"%(?:25)*{byte:02x}" for byte in letter.encode(errors="surrogatepass"))
    in_json = re.escape(json.dumps(letter)[1:-1]).replace(r"\\", r"\\+")
    escaped = in_url if in_json == re.escape(letter) else f"{in_url}|{in_json}"
    plus = r"|\+" if letter == " " else ""
    return rf"(?:\\*{re.escape(letter)}|(?i:{escaped}){plus})"


def _holds(run: str, secrets: Iterable[bytes]) -> bool:
    """Whether base64, begun at any of its letters, says something that has a secret in it."""
    while (plain := unquote(run)) != run:
        run = plain
    letters = run.rstrip("=").translate(_STANDARD)
    for start in range(4):
        rest = letters[start:]
        # one letter alone says nothing
        rest = rest[: len(rest) - (len(rest) % 4 == 1)]
        try:
            said = base64.b64decode(rest + "=" * (-len(rest) % 4))
        except binascii.Error:
            continue
        if any(secret in said for secret in secrets):
            return True
    return False
