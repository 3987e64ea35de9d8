"""RabbitMQ, against a real server."""

import json
import os
import socket
import uuid
from collections.abc import Iterator
from typing import Any

import pika
import pytest

from kairos.doctor.check import Status
from kairos.doctor.delivery import check_destination
from reverse_etl import destinations
from tests.reverse_etl.conftest import moment, operation

URL = os.environ.get("KAIROS_TEST_RABBITMQ", "amqp://guest:guest@127.0.0.1:5672/%2F")


class Server:
    """An exchange of our own, with a queue behind it."""

    def __init__(self, connection: pika.BlockingConnection) -> None:
        self.connection = connection
        self.channel = connection.channel()
        self.exchange = f"kairos-test-{uuid.uuid4().hex}"
        self.channel.exchange_declare(self.exchange, "topic")
        self.queue = self.channel.queue_declare("", exclusive=True).method.queue
        self.env = {"KAIROS_RABBITMQ_URL": URL, "KAIROS_RABBITMQ_EXCHANGE": self.exchange}

    def bind(self, routing_key: str = "#") -> None:
        self.channel.queue_bind(self.queue, self.exchange, routing_key)

    def messages(self) -> list[tuple[Any, Any, dict[str, Any]]]:
        found = []
        while True:
            method, properties, body = self.channel.basic_get(self.queue, auto_ack=True)
            if method is None:
                return found
            found.append((method, properties, json.loads(body)))


@pytest.fixture
def server() -> Iterator[Server]:
    try:
        connection = pika.BlockingConnection(pika.URLParameters(URL))
    except (pika.exceptions.AMQPError, OSError):
        pytest.skip("no RabbitMQ server at 127.0.0.1:5672 (KAIROS_TEST_RABBITMQ names another)")
    with connection:
        server = Server(connection)
        yield server
        server.channel = connection.channel()
        server.channel.exchange_delete(server.exchange)


def rabbit(number: int, **fields: Any) -> Any:
    return operation(number, destination="rabbitmq", **fields)


def test_every_kind_arrives_persistent_and_with_our_key(deliver, server) -> None:
    server.bind()
    tip = moment(1, destination="rabbitmq", payload={"band": "high"})

    outcome = deliver("rabbitmq", server.env)(
        tip,
        rabbit(2, verb="remove"),
        rabbit(3, kind="profile", verb="update", object_key="profile", payload={"plan": "pro"}),
    )

    assert outcome.counts == {"accepted": 3}
    found = {method.routing_key: (p, body) for method, p, body in server.messages()}
    assert set(found) == {"moment.tip.send", "audience.people.remove", "profile.profile.update"}
    properties, body = found["moment.tip.send"]
    assert properties.delivery_mode == 2
    assert properties.message_id == body["idempotency_key"] == tip.idempotency_key
    assert body["payload"] == {"band": "high"}


def test_a_message_that_reaches_no_queue_is_refused(deliver, server) -> None:
    server.bind("audience.#")

    outcome = deliver("rabbitmq", server.env)(moment(1, destination="rabbitmq"), rabbit(2))

    assert outcome.counts == {"rejected": 1, "accepted": 1}
    assert len(server.messages()) == 1


def test_the_exchange_without_a_name_leads_to_a_queue(deliver, server) -> None:
    direct = {
        "KAIROS_RABBITMQ_EXCHANGE": "amq.default",
        "KAIROS_RABBITMQ_ROUTING_KEY": server.queue,
    }

    assert deliver("rabbitmq", server.env | direct)(rabbit(1)).counts == {"accepted": 1}
    assert len(server.messages()) == 1


def test_a_full_queue_is_tried_again(deliver, server) -> None:
    arguments = {"x-max-length": 2, "x-overflow": "reject-publish"}
    server.queue = server.channel.queue_declare(
        "", exclusive=True, arguments=arguments
    ).method.queue
    server.bind()
    delivery = deliver("rabbitmq", server.env)
    rows = [moment(n, destination="rabbitmq") for n in range(4)]

    first = delivery(*rows)
    taken = len(server.messages())
    second = delivery(*rows)

    assert first.counts["accepted"] == taken == 2
    assert first.counts["retryable"] == 2
    assert second.counts == {"accepted": 2}


def test_wrong_credentials_stop_the_run_and_burn_no_row(deliver, server) -> None:
    server.bind()
    wrong = {**server.env, "KAIROS_RABBITMQ_URL": URL.replace("guest:guest", "guest:wrong-pw")}
    rows = [moment(n, destination="rabbitmq") for n in range(5)]

    delivery = deliver("rabbitmq", wrong)
    outcome = delivery(*rows)

    assert outcome.counts == {"retryable": 5}
    assert "KAIROS_RABBITMQ_" in str(outcome.problem)
    assert "wrong-pw" not in str(outcome) + str([tuple(r) for r in delivery.ledger.operations()])
    assert check_destination("rabbitmq", wrong).status is Status.FAIL
    assert check_destination("rabbitmq", server.env).status is Status.OK
    delivery.env = server.env
    assert delivery(*rows).counts == {"accepted": 5}


def test_an_exchange_that_is_missing_refuses_everything(deliver, server) -> None:
    missing = {**server.env, "KAIROS_RABBITMQ_EXCHANGE": "no-such-exchange"}

    outcome = deliver("rabbitmq", missing)(moment(1, destination="rabbitmq"), rabbit(2))

    assert outcome.counts == {"rejected": 2}
    assert outcome.request_count == 1


def test_a_server_that_is_not_there_has_been_sent_nothing(deliver) -> None:
    nobody = {"KAIROS_RABBITMQ_URL": "amqp://guest:guest@127.0.0.1:9/"}

    outcome = deliver("rabbitmq", nobody)(moment(1, destination="rabbitmq"))

    assert outcome.counts == {"retryable": 1}


def test_a_lost_connection_leaves_one_message_in_doubt(deliver, server) -> None:
    server.bind()
    delivery = deliver("rabbitmq", server.env)
    transport = destinations.find("rabbitmq").from_env(server.env).transport()
    publish, calls = transport._publish, []

    def lose(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 3:
            # the socket goes away under the channel, after two messages were confirmed
            transport._connection._impl._transport._sock.shutdown(socket.SHUT_RDWR)
        return publish(*arguments)

    transport._publish = lose

    outcome = delivery(*(moment(n, destination="rabbitmq") for n in range(6)), transport=transport)

    assert outcome.counts == {"accepted": 5, "unknown": 1}
    assert len({body["idempotency_key"] for _, _, body in server.messages()}) >= 5
