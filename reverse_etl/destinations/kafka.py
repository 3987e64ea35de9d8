"""Kafka: a topic per audience and kind, keyed by user, so that compaction keeps the last word."""

import logging
import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from reverse_etl.destinations._bus import Bus, answered, library, message, refused
from reverse_etl.destinations.base import (
    Capabilities,
    Dedupe,
    batches,
    pairs,
    positive_number,
    setting,
    whole_number,
)
from reverse_etl.dispatch.transport import Transport
from reverse_etl.errors import NotConfigured, NotSent, OutcomeUnknown
from reverse_etl.model import Kind, Operation, Request, Response, Result, State

TOPIC = re.compile(r"[a-zA-Z0-9._-]{1,249}")
SECRET_PROPERTY = re.compile(r"password|secret|\.pem$|sasl\.oauthbearer\.config")
CONNECT_SECONDS = 10.0
REFUSALS = frozenset(
    {"TOPIC_AUTHORIZATION_FAILED", "CLUSTER_AUTHORIZATION_FAILED", "_AUTHENTICATION",
     "SASL_AUTHENTICATION_FAILED", "TRANSACTIONAL_ID_AUTHORIZATION_FAILED"}
)  # fmt: skip
DOUBTS = frozenset({"_MSG_TIMED_OUT", "REQUEST_TIMED_OUT", "_PURGE_INFLIGHT", "_TIMED_OUT"})


@dataclass(frozen=True, kw_only=True)
class Kafka(Bus):
    """Members are records, and a member who leaves becomes a tombstone.

    The producer is idempotent while it lives; after a crash a moment may be there twice, with
    the same `idempotency_key` in its headers.
    """

    name: ClassVar[str] = "kafka"

    bootstrap_servers: str = setting()
    username: str | None = setting(None)
    password: str | None = setting(None, secret=True)
    security_protocol: str | None = setting(None)
    sasl_mechanism: str = setting("PLAIN")
    topic_prefix: str = setting("kairos")
    topics: Mapping[str, str] = setting(dict, parse=pairs)
    """Topics of our audience keys, and of the words `moment` and `profile`."""
    # some of librdkafka's properties are passwords
    config: Mapping[str, str] = setting(dict, secret=True, parse=pairs)
    """Any other property of librdkafka: `ssl.ca.location=/etc/ca.pem,linger.ms=20`."""
    delivery_timeout_seconds: float = setting(30.0, parse=positive_number)
    batch_count: int = setting(1000, parse=whole_number)

    @cached_property
    def capabilities(self) -> Capabilities:
        """A key's last record counts; moments are told apart by whoever reads them."""
        return Capabilities(
            dedupe={
                Kind.AUDIENCE: Dedupe.SET,
                Kind.PROFILE: Dedupe.SET,
                Kind.MOMENT: Dedupe.NONE,
            },
            batch_count=self.batch_count,
            batch_bytes=16_000_000,
        )

    def check(self, operation: Operation) -> str | None:
        """Refuse what would need a topic that cannot be."""
        topic = self._topic(operation)
        if not TOPIC.fullmatch(topic):
            return f"{topic} is no name of a topic: set KAIROS_KAFKA_TOPICS"
        return super().check(operation)

    def requests(self, operations: Sequence[Operation]) -> Iterable[Request]:
        """Records in batches; the producer makes its own of them for each partition."""
        limits = self.capabilities
        for batch in batches(
            ((operation, self._record(operation)) for operation in operations),
            count=limits.batch_count,
            size_bytes=limits.batch_bytes,
            size=lambda record: len(record["value"] or b"") + 100,
        ):
            yield Request(
                operations=tuple(operation for operation, _ in batch),
                url=self.bootstrap_servers,
                body=[record for _, record in batch],
            )

    def probe(self) -> Request:
        """Ask for the cluster's metadata."""
        return Request(operations=(), url=self.bootstrap_servers)

    def transport(self) -> Transport:
        """Make the producer, which connects when it is used."""
        config: dict[str, Any] = {
            "bootstrap.servers": self.bootstrap_servers,
            "client.id": "kairos",
            "compression.type": "lz4",
            "linger.ms": 5,
            **self.config,
            "enable.idempotence": True,
            "acks": "all",
            "delivery.timeout.ms": round(self.delivery_timeout_seconds * 1000),
        }
        if self.username is not None:
            config |= {
                "security.protocol": self.security_protocol or "SASL_SSL",
                "sasl.mechanism": self.sasl_mechanism,
                "sasl.username": self.username,
                "sasl.password": self.password or "",
            }
        elif self.security_protocol is not None:
            config["security.protocol"] = self.security_protocol
        return Producing(config, self.delivery_timeout_seconds)

    def secrets(self) -> tuple[str, ...]:
        """The password, and what `config` holds under a name that says so."""
        own = (value for name, value in self.config.items() if SECRET_PROPERTY.search(name))
        return tuple(value for value in (self.password, *own) if value)

    def _topic(self, operation: Operation) -> str:
        if operation.kind == Kind.AUDIENCE:
            default = f"{self.topic_prefix}.audience.{operation.object_key}"
            return self.topics.get(operation.object_key, default)
        return self.topics.get(operation.kind, f"{self.topic_prefix}.{operation.kind}")

    def _record(self, operation: Operation) -> dict[str, Any]:
        return {
            "topic": self._topic(operation),
            "key": operation.user_key.encode(),
            "value": None if operation.operation == "remove" else message(operation),
            "headers": [
                ("idempotency_key", operation.idempotency_key.encode()),
                ("operation", operation.operation.encode()),
            ],
        }


class Producing:
    """One producer for all threads; a record is sent when the brokers say that they have it."""

    def __init__(self, config: Mapping[str, Any], delivery_seconds: float) -> None:
        """Make the producer; NotConfigured where librdkafka does not know a property."""
        self._kafka = library("confluent_kafka", "kafka")
        self._delivery_seconds = delivery_seconds
        self._refusal: str | None = None
        self._is_known = threading.Event()
        try:
            self._producer = self._kafka.Producer(
                {**config, "error_cb": self._note}, logger=_quiet()
            )
        except self._kafka.KafkaException as error:
            raise NotConfigured(f"kafka refuses KAIROS_KAFKA_CONFIG: {error.args[0]}") from error

    def send(self, request: Request) -> Response:
        """Produce every record, and wait until each has its word from the brokers."""
        is_met = self._is_known.is_set() and bool(request.operations)
        if not is_met and (refusal := self._meet()) is not None:
            return refusal
        results: list[Result | None] = [None] * len(request.operations)
        for position, record in enumerate(request.body or ()):
            self._produce(record, position, results)
        self._producer.flush(self._delivery_seconds + CONNECT_SECONDS)
        silent = Result(State.UNKNOWN, None, "no_answer", "no broker acknowledged it in time")
        known = [result or silent for result in results]
        if known and all(result.error_code == "_MSG_TIMED_OUT" for result in known):
            raise OutcomeUnknown("no broker acknowledged anything in time")
        if known and all(result.error_code in REFUSALS for result in known):
            return refused(403, str(known[0].error_message))
        return answered(known)

    def close(self) -> None:
        """Forget what is still queued: its rows have been written down as unknown."""
        self._producer.purge()
        self._producer.flush(1)

    def _produce(
        self, record: Mapping[str, Any], position: int, results: list[Result | None]
    ) -> None:
        def delivered(error: Any, _: Any) -> None:
            results[position] = _result(error)

        while True:
            try:
                self._producer.produce(**record, on_delivery=delivered)
                return
            except BufferError:
                # full: room comes when something else has been acknowledged, or given up
                self._producer.poll(0.1)
            except self._kafka.KafkaException as error:
                results[position] = _result(error.args[0])
                return

    def _meet(self) -> Response | None:
        """See once whether a broker answers: until then, nothing can have been sent."""
        try:
            self._producer.list_topics(timeout=CONNECT_SECONDS)
        except self._kafka.KafkaException as error:
            if self._refusal is not None:
                return refused(401, self._refusal)
            raise NotSent(f"no broker answered: {error.args[0].name()}") from error
        self._is_known.set()
        return None

    def _note(self, error: Any) -> None:
        if error.name() in REFUSALS:
            self._refusal = error.name()


def _result(error: Any) -> Result:
    if error is None:
        return Result(State.ACCEPTED)
    name = error.name()
    if name in DOUBTS:
        state = State.UNKNOWN
    elif error.retriable() or name in REFUSALS or name == "_PURGE_QUEUE":
        state = State.RETRYABLE
    else:
        state = State.REJECTED
    return Result(state, None, name, error.str())


def _quiet() -> logging.Logger:
    """What librdkafka would write to the terminal: its errors come back as results."""
    logger = logging.getLogger("kairos.kafka")
    logger.propagate = False
    logger.handlers = [logging.NullHandler()]
    return logger
