"""RabbitMQ: persistent messages that the broker confirms, and that must reach a queue."""

import logging
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from reverse_etl.destinations._bus import Bus, answered, library, message, refused
from reverse_etl.destinations.base import (
    Capabilities,
    Dedupe,
    batches,
    positive_number,
    setting,
    whole_number,
)
from reverse_etl.dispatch.transport import Transport
from reverse_etl.errors import NotConfigured, NotSent
from reverse_etl.model import Kind, Operation, Request, Response, Result, State

LARGEST_ROUTING_KEY_BYTES = 255


def exchange_name(text: str) -> str:
    """Read the name of an exchange; a variable cannot be set to the empty one."""
    return "" if text == "amq.default" else text


@dataclass(frozen=True, kw_only=True)
class RabbitMq(Bus):
    """Publishes to an exchange that exists; queues and dead letters belong to who reads them.

    The broker does not drop repetitions: `message_id` is our key, by which readers can.
    """

    name: ClassVar[str] = "rabbitmq"

    # it holds the password
    url: str = setting(secret=True)
    exchange: str = setting("kairos", parse=exchange_name)
    """`amq.default` is the one without a name, which leads to the queue of the routing key."""
    routing_key: str | None = setting(None)
    """One for all messages; else `<kind>.<object key>.<operation>`."""
    batch_count: int = setting(100, parse=whole_number)
    timeout_seconds: float = setting(30.0, parse=positive_number)

    @cached_property
    def capabilities(self) -> Capabilities:
        """One connection, one channel: confirms come in the order of the messages."""
        return Capabilities(
            dedupe={kind: Dedupe.NONE for kind in Kind},
            batch_count=self.batch_count,
            batch_bytes=4_000_000,
            concurrency=1,
        )

    def check(self, operation: Operation) -> str | None:
        """Refuse a routing key that is longer than the protocol takes."""
        if len(self._routing_key(operation).encode()) > LARGEST_ROUTING_KEY_BYTES:
            return f"its routing key has more than {LARGEST_ROUTING_KEY_BYTES} bytes"
        return super().check(operation)

    def requests(self, operations: Sequence[Operation]) -> Iterable[Request]:
        """Messages in batches; each is confirmed by itself."""
        for batch in batches(
            ((operation, message(operation)) for operation in operations),
            count=self.batch_count,
            size_bytes=self.capabilities.batch_bytes,
            size=len,
        ):
            yield Request(
                operations=tuple(operation for operation, _ in batch),
                url=self.exchange,
                body=[(self._routing_key(operation), body) for operation, body in batch],
            )

    def probe(self) -> Request:
        """Connect, and see that the exchange exists."""
        return Request(operations=(), url=self.exchange, body=[])

    def transport(self) -> Transport:
        """Prepare to connect."""
        return Publishing(self.url, self.timeout_seconds)

    def _routing_key(self, operation: Operation) -> str:
        if self.routing_key is not None:
            return self.routing_key
        return f"{operation.kind}.{operation.object_key}.{operation.operation}"


class Publishing:
    """One connection, which is opened again when it was lost."""

    def __init__(self, url: str, timeout_seconds: float) -> None:
        """NotConfigured where the address is none."""
        self._pika = library("pika", "rabbitmq")
        # it logs a traceback for each failure, which all come back as results
        logging.getLogger("pika").setLevel(logging.CRITICAL)
        self._lock = threading.Lock()
        self._connection: Any = None
        self._channel: Any = None
        try:
            self._parameters = self._pika.URLParameters(url)
        except (ValueError, TypeError, KeyError) as error:
            raise NotConfigured(
                "KAIROS_RABBITMQ_URL is no address: amqps://user:pw@host/"
            ) from error
        self._parameters.socket_timeout = timeout_seconds
        self._parameters.blocked_connection_timeout = timeout_seconds
        self._parameters.retry_delay, self._parameters.connection_attempts = 0, 1

    def send(self, request: Request) -> Response:
        """Publish the messages in turn, each with its confirm."""
        with self._lock:
            if (refusal := self._open(request.url)) is not None:
                return refusal
            results: list[Result] = []
            for (routing_key, body), operation in zip(
                request.body, request.operations, strict=True
            ):
                results.append(self._publish(request.url, routing_key, body, operation))
                if results[-1].state is State.UNKNOWN:
                    break
            # what follows a lost connection was not sent at all
            rest = len(request.operations) - len(results)
            unsent = Result(State.RETRYABLE, None, "not_sent", "the connection was lost before it")
            return answered(results + [unsent] * rest)

    def close(self) -> None:
        """Close the connection in order."""
        self._drop()

    def _open(self, exchange: str) -> Response | None:
        errors = self._pika.exceptions
        try:
            if not self._is_alive():
                self._drop()
                self._connection = self._pika.BlockingConnection(self._parameters)
                self._channel = self._connection.channel()
                self._channel.confirm_delivery()
                if exchange:
                    self._channel.exchange_declare(exchange, passive=True)
        except (errors.ProbableAuthenticationError, errors.ProbableAccessDeniedError):
            self._drop()
            return refused(401, "RabbitMQ refuses the user, the password or the virtual host")
        except errors.ChannelClosedByBroker as error:
            self._drop()
            status = {403: 403, 404: 404}.get(error.reply_code, 400)
            return refused(status, error.reply_text)
        except (errors.AMQPError, OSError) as error:
            self._drop()
            raise NotSent(f"RabbitMQ cannot be reached ({type(error).__name__})") from error
        return None

    def _is_alive(self) -> bool:
        if self._channel is None or not self._channel.is_open:
            return False
        try:
            # sees a connection that the broker has closed meanwhile
            self._connection.process_data_events(0)
        except (self._pika.exceptions.AMQPError, OSError):
            return False
        return bool(self._channel.is_open)

    def _publish(
        self, exchange: str, routing_key: str, body: bytes, operation: Operation
    ) -> Result:
        errors = self._pika.exceptions
        properties = self._pika.BasicProperties(
            content_type="application/json",
            delivery_mode=self._pika.DeliveryMode.Persistent.value,
            message_id=operation.idempotency_key,
            type=f"kairos.{operation.kind}",
            headers={"operation": operation.operation, "object_key": operation.object_key},
        )
        try:
            self._channel.basic_publish(
                exchange, routing_key, body, properties=properties, mandatory=True
            )
        except errors.UnroutableError:
            return Result(State.REJECTED, None, "unroutable", f"no queue takes {routing_key}")
        except errors.NackError:
            return Result(State.RETRYABLE, None, "nack", "the broker does not take it now")
        except Exception as error:
            # a socket that breaks surfaces as nearly anything in pika
            self._drop()
            return Result(State.UNKNOWN, None, "no_answer", f"lost ({type(error).__name__})")
        return Result(State.ACCEPTED)

    def _drop(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None and connection.is_open:
            with suppress(Exception):
                connection.close()
