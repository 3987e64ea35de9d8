"""Amplitude: events, identify calls, and the members of cohorts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from types import MappingProxyType
from typing import Any, ClassVar
from urllib.parse import urlencode

from reverse_etl.destinations._vendor import (
    Vendor,
    basic,
    by_audience,
    dumped,
    milliseconds,
    of_kind,
    outcomes,
    packed,
    properties,
)
from reverse_etl.destinations.base import (
    Capabilities,
    Dedupe,
    Lookup,
    Verdict,
    address,
    one_of,
    pairs,
    positive_number,
    setting,
    whole_number,
)
from reverse_etl.dispatch.rate import RateLimit
from reverse_etl.model import Kind, Operation, Request, Response, Result, State

HOSTS = MappingProxyType({"us": "https://api2.amplitude.com", "eu": "https://api.eu.amplitude.com"})
COHORTS = MappingProxyType(
    {"us": "https://amplitude.com", "eu": "https://analytics.eu.amplitude.com"}
)
LARGEST_EVENTS = 2_000
LARGEST_BODY_BYTES = 1_000_000
LARGEST_FORM_BYTES = 300_000
"""Of JSON before it becomes a form, where each of its letters may need three."""
LARGEST_COHORT_EDIT = 10_000
KEY_SECONDS = 7 * 86_400
BAD_ROWS = (
    "events_with_missing_fields",
    "events_with_invalid_fields",
    "events_with_invalid_id_lengths",
)


@dataclass(frozen=True, kw_only=True)
class Amplitude(Vendor):
    """Audiences are cohorts, profiles are user properties, moments are events.

    It knows an event by its insert id for seven days. A batch with one bad event is refused whole
    and the bad ones are named; a cohort takes one edit at a time.
    """

    name: ClassVar[str] = "amplitude"
    regions: ClassVar[Mapping[str, str]] = HOSTS
    audience_form: ClassVar[str] = "cohort {!r}"
    audience_map: ClassVar[str] = "cohorts"

    api_key: str = setting(secret=True)
    secret_key: str = setting(secret=True)
    cohorts_url: str | None = setting(None, parse=address)
    cohorts: Mapping[str, str] = setting(dict, parse=pairs)
    """Our audience keys and the ids of cohorts; others are used as they are."""
    cohort_id_type: str = setting("by_id", parse=one_of("by_id", "by_name", "by_user_id"))
    """The word by which a cohort edit says that our user keys are user ids."""
    min_id_length: int = setting(1, parse=whole_number)
    event_name: str = setting("kairos_moment")
    batch_count: int = setting(LARGEST_COHORT_EDIT, parse=whole_number)
    events_per_second: int = setting(1_000, parse=whole_number)
    """What the smallest plan takes; a larger one takes more."""
    pause_seconds: float = setting(30.0, parse=positive_number)
    """How long to be silent when it is too much: no header says so."""

    @cached_property
    def capabilities(self) -> Capabilities:
        """A hundred batches a second; 429 at a cohort says that somebody else edits it."""
        return Capabilities(
            dedupe={
                Kind.AUDIENCE: Dedupe.SET,
                Kind.PROFILE: Dedupe.SET,
                Kind.MOMENT: Dedupe.KEY,
            },
            batch_count=self.batch_count,
            batch_bytes=LARGEST_BODY_BYTES,
            rate_limits={
                "events": RateLimit(100, rows=self.events_per_second),
                "identify": RateLimit(100),
            },
            pauses={"events": self.pause_seconds},
            row_statuses=frozenset({400}),
            key_seconds=KEY_SECONDS,
        )

    def headers(self) -> Mapping[str, str]:
        """Cohorts take both keys; events and identify calls carry the first inside."""
        return {"Authorization": basic(self.api_key, self.secret_key)}

    def requests(self, operations: Sequence[Operation]) -> Iterable[Request]:
        """Edits of one cohort and verb, forms of identify calls, batches of events."""
        size = LARGEST_BODY_BYTES
        count = self.batch_count
        for audience, verb, group in by_audience(operations):
            cohort = self.cohorts.get(audience, audience)
            head = dumped({"cohort_id": cohort, "skip_invalid_ids": True}).decode()[:-1]
            edit = f'"id_type":"{self.cohort_id_type.upper()}","operation":"{verb.upper()}"'
            before = f'{head},"memberships":[{{{edit},"ids":['
            for batch, body in packed(group, before, "]}]}", count=count, size_bytes=size):
                yield self.request(
                    "api/3/cohorts/membership",
                    body,
                    batch,
                    host=self.host(COHORTS, self.cohorts_url),
                    endpoint_class="cohorts",
                    serial_key=f"cohort {cohort}",
                )
        count = min(count, LARGEST_EVENTS)
        rows = ((o, _identification(o)) for o in of_kind(operations, Kind.PROFILE))
        for batch, text in packed(rows, "[", "]", count=count, size_bytes=LARGEST_FORM_BYTES):
            form = urlencode({"api_key": self.api_key, "identification": text.decode()})
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            yield self.request(
                "identify", form.encode(), batch, headers=headers, endpoint_class="identify"
            )
        count = min(count, self.events_per_second)
        head = dumped(
            {"api_key": self.api_key, "options": {"min_id_length": self.min_id_length}}
        ).decode()[:-1]
        events = ((o, self._event(o)) for o in of_kind(operations, Kind.MOMENT))
        for batch, body in packed(events, f'{head},"events":[', "]}", count=count, size_bytes=size):
            yield self.request("2/httpapi", body, batch, headers={}, endpoint_class="events")

    def verdict(self, response: Response) -> Verdict:
        """A key that does not exist is answered with 400."""
        if response.status == 400 and _blames_key(response):
            return Verdict.MISCONFIGURED
        return super().verdict(response)

    def results(self, request: Request, response: Response) -> Sequence[Result] | None:
        """Read skipped ids, or the positions of bad events: the others were not taken either."""
        if response.status == 400:
            bad = {} if _blames_key(response) else _bad_rows(response)
            return outcomes(request, response, bad, others=State.RETRYABLE) if bad else None
        if request.endpoint_class == "identify":
            return super().results(request, response)
        answer = response.json()
        if request.endpoint_class == "events":
            return (
                None if answer["code"] == 200 else [Result(State.UNKNOWN)] * len(request.operations)
            )
        skipped = {who for edit in answer["memberships_result"] for who in edit["skipped_ids"]}
        refused = {
            position: ("skipped", "Amplitude does not know this id")
            for position, operation in enumerate(request.operations)
            # whom Amplitude does not know is in no cohort
            if operation.user_key in skipped and operation.operation == "add"
        }
        return outcomes(request, response, refused)

    def lookups(self, audiences: Sequence[str], names: Sequence[str]) -> Iterable[Lookup]:
        """List the cohorts, of which hidden ones are left out. Properties make themselves."""
        if audiences:
            yield Lookup(
                Kind.AUDIENCE,
                self.probe(),
                tuple(audiences),
                faults=partial(self._unlisted, audiences),
                is_needed=False,
            )

    def _unlisted(self, audiences: Sequence[str], answer: Any) -> dict[str, str]:
        known = {str(one["id"]) for one in answer["cohorts"]}
        cohorts = {key: self.cohorts.get(key, key) for key in audiences}
        return {
            key: f"lists no cohort {cohort!r}: make it there, make it discoverable, or name its id "
            f"in KAIROS_AMPLITUDE_COHORTS={key}=ID"
            for key, cohort in cohorts.items()
            if cohort not in known
        }

    def probe(self) -> Request:
        """List the cohorts: needs both keys, in the right region."""
        host = self.host(COHORTS, self.cohorts_url)
        return self.request("api/3/cohorts", method="GET", host=host)

    def _event(self, operation: Operation) -> dict[str, Any]:
        return {
            "user_id": operation.user_key,
            "event_type": self.event_name,
            "time": milliseconds(operation),
            "insert_id": operation.idempotency_key,
            "event_properties": properties(operation),
        }


def _identification(operation: Operation) -> dict[str, Any]:
    values = operation.payload
    changes = {
        "$set": {name: value for name, value in values.items() if value is not None},
        "$unset": {name: "-" for name, value in values.items() if value is None},
    }
    given = {verb: names for verb, names in changes.items() if names}
    return {"user_id": operation.user_key, "user_properties": given}


def _blames_key(response: Response) -> bool:
    try:
        error = str(response.json()["error"])
    except (ValueError, KeyError, TypeError):
        return False
    return "api key" in error.lower() or "api_key" in error.lower()


def _bad_rows(response: Response) -> dict[int, tuple[str, str]]:
    try:
        answer = response.json()
    except ValueError:
        return {}
    bad: dict[int, tuple[str, str]] = {}
    for reason in BAD_ROWS:
        for field, positions in (answer.get(reason) or {}).items():
            for position in positions:
                bad.setdefault(int(position), (reason, f"{field}: {answer.get('error', '')}"))
    for position in answer.get("silenced_events") or ():
        bad.setdefault(int(position), ("silenced_events", "Amplitude silences this event"))
    return bad
