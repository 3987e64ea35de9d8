"""LaunchDarkly: segments by semantic patch, big segments by contexts, metric events.

A segment is a big one when it was made unbounded, or when its key begins with `big`.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from reverse_etl.sandbox.limits import Limit
from reverse_etl.sandbox.shape import (
    anything,
    boolean,
    epoch_milliseconds,
    list_of,
    mapping,
    number,
    one_of,
    shaped,
    text,
)
from reverse_etl.sandbox.vendor import Refusal, Vendor, check_size, document_of, key_of, route
from reverse_etl.sandbox.wire import Request, Response

TOKEN, PROJECT, ENVIRONMENT = "sandbox-token", "sandbox", "production"
PATCH_TYPE = "application/json; domain-model=launchdarkly.semanticpatch"
LARGEST_PATCH = 1500
LARGEST_IMPORT = 10_000
LARGEST_IMPORT_BYTES = 10_000_000
KINDS = tuple(
    f"{verb}{side}Targets" for verb in ("add", "remove") for side in ("Included", "Excluded")
)

SEGMENT = shaped(
    {
        "key": text,
        "name": text,
        "description?": text,
        "tags?": list_of(text),
        "unbounded?": boolean,
        "unboundedContextKind?": text,
    }
)
PATCH = shaped(
    {
        "environmentKey?": text,
        "comment?": text,
        "instructions": list_of(
            shaped({"kind": one_of(*KINDS), "contextKind": text, "values": list_of(text, 1)}), 1
        ),
    }
)
CHANGES = shaped({"add?": list_of(text), "remove?": list_of(text)})
CONTEXTS = shaped({"included?": CHANGES, "excluded?": CHANGES})
EXPIRING = shaped(
    {
        "comment?": text,
        "instructions": list_of(
            shaped(
                {
                    "kind": one_of("addExpiringTarget", "removeExpiringTarget"),
                    "targetType": one_of("included", "excluded"),
                    "contextKey": text,
                    "contextKind": text,
                    "value?": epoch_milliseconds,
                }
            ),
            1,
        ),
    }
)
EVENTS = list_of(
    shaped(
        {
            "kind": one_of("custom"),
            "key": text,
            "creationDate": epoch_milliseconds,
            "contextKeys": mapping,
            "metricValue?": number,
            "data?": anything,
        }
    ),
    1,
)


def _segment_of(request: Request, arguments: Mapping[str, str]) -> str:
    return arguments["segment"]


class LaunchDarkly(Vendor):
    """A patch is atomic, and answers 409 while another edit of the same segment runs."""

    name = "launchdarkly"
    limits: ClassVar[dict[str, tuple[int, float]]] = {
        "default": (300, 10.0),
        "events": (300, 10.0),
    }
    """The vendor publishes no numbers; only the windows of ten seconds are documented."""

    def reset(self) -> None:
        """Forget the segments that were made, and targets that expire."""
        super().reset()
        self.big_segments: set[str] = set()
        self.expiring: dict[str, dict[str, int]] = {}

    def environment(self, base_url: str) -> dict[str, str]:
        """Give token, project and environment."""
        return {
            "KAIROS_LAUNCHDARKLY_BASE_URL": base_url,
            "KAIROS_LAUNCHDARKLY_EVENTS_URL": base_url,
            "KAIROS_LAUNCHDARKLY_TOKEN": TOKEN,
            "KAIROS_LAUNCHDARKLY_PROJECT": PROJECT,
            "KAIROS_LAUNCHDARKLY_ENVIRONMENT": ENVIRONMENT,
        }

    def authorize(self, request: Request) -> None:
        """Check the token, which stands alone in its header."""
        if request.headers.get("authorization") != TOKEN:
            raise Refusal(401, "Invalid access token", "unauthorized")

    def refuse(self, refusal: Refusal) -> Response:
        """Say it by code, message and an id."""
        codes = {404: "not_found", 409: "conflict", 429: "rate_limited"}
        code = refusal.code or codes.get(refusal.status, "invalid_request")
        return Response(refusal.status, {"code": code, "message": refusal.message, "id": "sandbox"})

    def limit_headers(self, limit: Limit) -> dict[str, str]:
        """Tell the remainders, and the end of the window in epoch milliseconds."""
        return {
            "X-Ratelimit-Global-Remaining": str(limit.remaining),
            "X-Ratelimit-Route-Remaining": str(limit.remaining),
            "X-Ratelimit-Reset": str(round(limit.resets_at * 1000)),
        }

    def retry_headers(self, limit: Limit, seconds: float) -> dict[str, str]:
        """Send none: the reset header says it."""
        return {}

    @route("GET", "/api/v2/caller-identity")
    def identify_caller(self, request: Request) -> Response:
        """Say whose token it is."""
        return Response(200, {"tokenName": "sandbox", "authKind": "token"})

    @route("POST", "/api/v2/segments/{project}/{environment}")
    def create(self, request: Request, project: str, environment: str) -> Response:
        """Make a segment."""
        self._check_place(project, environment)
        document = document_of(request, SEGMENT)
        if document["key"] in self.witness.members:
            raise Refusal(409, "a segment with this key exists")
        self.witness.replace(document["key"], [])
        if document.get("unbounded"):
            self.big_segments.add(document["key"])
        return Response(201, {**document, "version": 1})

    @route("GET", "/api/v2/segments/{project}/{environment}/{segment}")
    def read(self, request: Request, project: str, environment: str, segment: str) -> Response:
        """Give a segment."""
        self._check_place(project, environment)
        self.check_audience(segment)
        return Response(200, self._representation(segment))

    @route("PATCH", "/api/v2/segments/{project}/{environment}/{segment}", alone=_segment_of)
    def patch(self, request: Request, project: str, environment: str, segment: str) -> Response:
        """Change the targets, all or none."""
        self._check_place(project, environment)
        self.check_audience(segment)
        instructions = document_of(request, PATCH, content_type=PATCH_TYPE)["instructions"]
        if sum(len(instruction["values"]) for instruction in instructions) > LARGEST_PATCH:
            raise Refusal(400, f"more than {LARGEST_PATCH} target operations")
        if self._is_big(segment):
            raise Refusal(400, "an unbounded segment takes no targets by patch")
        if any(self.is_rejected(key) for step in instructions for key in step["values"]):
            raise Refusal(400, "a context key is not valid")
        self._check_sides(instructions)
        if request.query.get("dryRun") != "true":
            for instruction in instructions:
                self._apply(segment, instruction)
        return Response(200, self._representation(segment))

    def _apply(self, segment: str, instruction: Mapping[str, Any]) -> None:
        is_excluded = "Excluded" in instruction["kind"]
        audience = f"{segment} (excluded)" if is_excluded else segment
        is_addition = instruction["kind"].startswith("add")
        change = self.witness.add if is_addition else self.witness.remove
        for key in instruction["values"]:
            change(audience, key)

    def _check_sides(self, instructions: list[dict[str, Any]]) -> None:
        sides: dict[str, set[str]] = {kind: set() for kind in KINDS}
        for instruction in instructions:
            sides[instruction["kind"]].update(instruction["values"])
        if sides["addIncludedTargets"] & sides["addExcludedTargets"]:
            raise Refusal(400, "a key is both included and excluded")

    @route("POST", "/api/v2/segments/{project}/{environment}/{segment}/contexts", alone=_segment_of)
    def change_contexts(
        self, request: Request, project: str, environment: str, segment: str
    ) -> Response:
        """Change the members of a big segment."""
        self._check_place(project, environment)
        self.check_audience(segment)
        document = document_of(request, CONTEXTS)
        if not self._is_big(segment):
            raise Refusal(400, "only an unbounded segment takes contexts")
        included = document.get("included", {})
        for key in included.get("add", []):
            self.witness.add(segment, key)
        for key in included.get("remove", []):
            self.witness.remove(segment, key)
        return Response(204)

    @route("GET", "/api/v2/segments/{project}/{environment}/{segment}/contexts/{context}")
    def read_context(
        self, request: Request, project: str, environment: str, segment: str, context: str
    ) -> Response:
        """Say whether a context is a member."""
        is_member = context in self.witness.members.get(segment, set())
        if not is_member:
            raise Refusal(404, "the context is not in the segment")
        return Response(200, {"contextKey": context, "isIncluded": True})

    @route("PATCH", "/api/v2/segments/{project}/{segment}/expiring-targets/{environment}")
    def expire(self, request: Request, project: str, segment: str, environment: str) -> Response:
        """Set when targets expire; the answer may carry errors beside what succeeded."""
        self._check_place(project, environment)
        self.check_audience(segment)
        instructions = document_of(request, EXPIRING, content_type=PATCH_TYPE)["instructions"]
        errors = []
        for position, instruction in enumerate(instructions):
            if self.is_rejected(instruction["contextKey"]):
                errors.append({"instructionIndex": position, "message": "not a target"})
            else:
                expiring = self.expiring.setdefault(segment, {})
                expiring[instruction["contextKey"]] = instruction.get("value", 0)
        return Response(
            200,
            {
                "totalInstructions": len(instructions),
                "successfulInstructions": len(instructions) - len(errors),
                "failedInstructions": len(errors),
                "errors": errors,
            },
        )

    @route("POST", "/v2/event-data-import/{project}/{environment}", limit_class="events")
    def import_events(self, request: Request, project: str, environment: str) -> Response:
        """Take metric events, once more when they come once more."""
        self._check_place(project, environment)
        check_size(request, LARGEST_IMPORT_BYTES)
        events = document_of(request, EVENTS)
        if len(events) > LARGEST_IMPORT:
            raise Refusal(413, f"more than {LARGEST_IMPORT} events")
        for event in events:
            data = event.get("data") if isinstance(event.get("data"), dict) else {}
            who = "|".join(map(str, event["contextKeys"].values()))
            self.witness.record(
                key_of(data, who, event["key"], event["creationDate"]), event["key"]
            )
        return Response(202)

    def _is_big(self, segment: str) -> bool:
        return segment in self.big_segments or segment.startswith("big")

    def _check_place(self, project: str, environment: str) -> None:
        if (project, environment) != (PROJECT, ENVIRONMENT):
            raise Refusal(404, "there is no such project or environment")

    def _representation(self, segment: str) -> dict[str, Any]:
        members = sorted(self.witness.members.get(segment, set()))
        return {"key": segment, "included": members, "unbounded": self._is_big(segment)}
