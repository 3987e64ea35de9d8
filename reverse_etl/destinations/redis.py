"""Redis: a cache of profiles, a hash for each user, and a set for each audience."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from reverse_etl.destinations._bus import Bus, answered, library, refused
from reverse_etl.destinations._vendor import dumped
from reverse_etl.destinations.base import (
    Capabilities,
    Dedupe,
    batches,
    positive_number,
    setting,
    whole_number,
)
from reverse_etl.dispatch.transport import Transport
from reverse_etl.errors import NotConfigured, NotSent, OutcomeUnknown
from reverse_etl.model import Kind, Operation, Request, Response, Result, State

Command = tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Redis(Bus):
    """`<prefix>:user:<user>` holds attributes, `<prefix>:audience:<audience>` the members.

    It is for looking up, not for messages: it takes no moments.
    """

    name: ClassVar[str] = "redis"

    # it holds the password
    url: str = setting(secret=True)
    prefix: str = setting("kairos")
    batch_count: int = setting(1000, parse=whole_number)
    timeout_seconds: float = setting(10.0, parse=positive_number)

    @cached_property
    def capabilities(self) -> Capabilities:
        """Whatever is sent again changes nothing."""
        return Capabilities(
            dedupe={Kind.AUDIENCE: Dedupe.SET, Kind.PROFILE: Dedupe.SET},
            batch_count=self.batch_count,
            batch_bytes=4_000_000,
        )

    def requests(self, operations: Sequence[Operation]) -> Iterable[Request]:
        """Commands in pipelines, up to two for each operation."""
        for batch in batches(
            ((operation, self._commands(operation)) for operation in operations),
            count=self.batch_count,
            size_bytes=self.capabilities.batch_bytes,
            size=lambda commands: sum(len(part) for command in commands for part in command),
        ):
            yield Request(
                operations=tuple(operation for operation, _ in batch),
                url="redis",
                body=[commands for _, commands in batch],
            )

    def erasure(self, user_key: str) -> Sequence[Request]:
        """Delete the hash of the user."""
        return (Request(operations=(), url="redis", body=[[("DEL", self._profile(user_key))]]),)

    def probe(self) -> Request:
        """Ping."""
        return Request(operations=(), url="redis", body=[[("PING",)]])

    def transport(self) -> Transport:
        """Make the client, which connects when it is used."""
        return Pipelining(self.url, self.timeout_seconds)

    def _profile(self, user_key: str) -> str:
        return f"{self.prefix}:user:{user_key}"

    def _commands(self, operation: Operation) -> list[Command]:
        if operation.kind == Kind.AUDIENCE:
            command = "SADD" if operation.operation == "add" else "SREM"
            return [(command, f"{self.prefix}:audience:{operation.object_key}", operation.user_key)]
        key = self._profile(operation.user_key)
        values = operation.payload
        given = [
            part
            for name, value in values.items()
            if value is not None
            for part in (name, value if isinstance(value, str) else dumped(value))
        ]
        gone = [name for name, value in values.items() if value is None]
        commands: list[Command] = [("HSET", key, *given)] if given else []
        return [*commands, ("HDEL", key, *gone)] if gone else commands


class Pipelining:
    """Sends commands in pipelines, and keeps its own library from sending any twice."""

    def __init__(self, url: str, timeout_seconds: float) -> None:
        """NotConfigured where the address is none."""
        self._redis = library("redis", "redis")
        retry = library("redis.retry", "redis").Retry(
            library("redis.backoff", "redis").NoBackoff(), 0
        )
        try:
            self._client = self._redis.Redis.from_url(
                url,
                socket_timeout=timeout_seconds,
                socket_connect_timeout=timeout_seconds,
                retry=retry,
            )
        except ValueError as error:
            raise NotConfigured(
                "KAIROS_REDIS_URL is no address: rediss://user:pw@host/0"
            ) from error
        self._is_met = False

    def send(self, request: Request) -> Response:
        """Send one pipeline and read the answer of each command."""
        errors = self._redis.exceptions
        try:
            if not self._is_met:
                self._client.ping()
                self._is_met = True
        except (errors.AuthenticationError, errors.NoPermissionError) as error:
            return refused(401, type(error).__name__)
        except errors.RedisError as error:
            raise NotSent(f"Redis cannot be reached ({type(error).__name__})") from error
        pipeline = self._client.pipeline(transaction=False)
        for commands in request.body:
            for command in commands:
                pipeline.execute_command(*command)
        try:
            answers = iter(pipeline.execute(raise_on_error=False))
        except errors.RedisError as error:
            self._is_met = False
            raise OutcomeUnknown(f"Redis did not answer ({type(error).__name__})") from error
        results = [self._result([next(answers) for _ in commands]) for commands in request.body]
        if results and all(result.error_code == "NoPermissionError" for result in results):
            return refused(403, str(results[0].error_message))
        failed = next((result for result in results if result.error_code), None)
        if failed is not None and not request.operations:
            # nobody reads the results of a probe or of an erasure
            return refused(400, str(failed.error_message))
        return answered(results)

    def close(self) -> None:
        """Close every connection."""
        self._client.close()

    def _result(self, answers: Sequence[Any]) -> Result:
        failure = next((answer for answer in answers if isinstance(answer, Exception)), None)
        if failure is None:
            return Result(State.ACCEPTED)
        errors = self._redis.exceptions
        passing = (
            errors.ConnectionError,
            errors.OutOfMemoryError,
            errors.ReadOnlyError,
            errors.NoPermissionError,
            errors.TryAgainError,
        )
        state = State.RETRYABLE if isinstance(failure, passing) else State.REJECTED
        return Result(state, None, type(failure).__name__, str(failure))
