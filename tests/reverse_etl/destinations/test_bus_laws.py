"""Laws 3 and 4 through the buses: wires that are cut anywhere, brokers that take only some."""

import json
import logging
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from random import Random
from typing import Any, ClassVar
from urllib.parse import urlsplit

import boto3
import pika
import pytest
import redis
from confluent_kafka import Consumer, Producer, TopicPartition
from moto.server import ThreadedMotoServer

from reverse_etl.destinations._bus import answered
from reverse_etl.destinations.base import Dedupe
from reverse_etl.dispatch.transport import Transport
from reverse_etl.errors import NotSent, OutcomeUnknown
from reverse_etl.model import Kind, Operation, Request, Response, Result, State
from tests.reverse_etl.conftest import operation
from tests.reverse_etl.destinations.cutting import Cut, Wire
from tests.reverse_etl.destinations.laws import Laws, Schedule, dealt, deck
from tests.reverse_etl.destinations.test_aws import KEYS, InTurn, settings
from tests.reverse_etl.destinations.test_rabbitmq import URL as RABBITMQ
from tests.reverse_etl.destinations.test_redis import URL as REDIS

VERBS = {"audience": "add", "profile": "update", "moment": "send"}
KEYED = dict.fromkeys(("audience", "profile", "moment"), Dedupe.NONE)


class BusLaws(Laws):
    """A bus behind a wire; whoever reads it counts messages by our key."""

    wire: Wire

    def schedules(self, dice: Random) -> Iterator[Schedule]:
        return dealt(
            dice,
            lambda _: [
                # an answer is short: most of what is cut late in it is not cut at all
                Cut(is_answer, dice.randrange(1_500 if is_answer else 6_000))
                for is_answer in dice.choices((False, True), k=dice.randrange(1, 5))
            ],
        )

    def operation(self, number: int, kind: str, **fields: Any) -> Operation:
        object_key = {"audience": "people", "profile": "profile", "moment": "tip"}[kind]
        named = {"verb": VERBS[kind], "object_key": object_key, **fields}
        return operation(number, destination=self.name, kind=kind, **named)

    @contextmanager
    def faulty(self, schedule: Mapping[str, Any]) -> Iterator[None]:
        self.wire.cut(schedule["faults"])
        yield
        self.wire.cut([])

    def judge(self, schedule: Any, plan: Any, history: Any) -> None:
        self.arrived = self.read()
        super().judge(schedule, plan, history)

    def times(self, operation: Operation) -> int:
        return self.arrived[operation.idempotency_key]

    def read(self) -> Counter[str]:
        """How often each key arrived."""
        raise NotImplementedError


class TestRabbitMq(BusLaws):
    name = "rabbitmq"
    kinds: ClassVar = KEYED

    @pytest.fixture(autouse=True)
    def _server(self) -> Iterator[None]:
        address = urlsplit(RABBITMQ)
        try:
            connection = pika.BlockingConnection(pika.URLParameters(RABBITMQ))
        except (pika.exceptions.AMQPError, OSError):
            pytest.skip("no RabbitMQ server (KAIROS_TEST_RABBITMQ names another)")
        self.wire = Wire(address.hostname or "", address.port or 5672)
        self.url = RABBITMQ.replace(f":{address.port}/", f":{self.wire.port}/")
        with connection:
            self.channel = connection.channel()
            self.exchange = f"kairos-test-{uuid.uuid4().hex}"
            self.channel.exchange_declare(self.exchange, "topic")
            self.queue = self.channel.queue_declare("", exclusive=True).method.queue
            self.channel.queue_bind(self.queue, self.exchange, "#")
            yield
            self.channel.exchange_delete(self.exchange)
        self.wire.close()

    def begin(self) -> dict[str, str]:
        self.channel.queue_purge(self.queue)
        return {"KAIROS_RABBITMQ_URL": self.url, "KAIROS_RABBITMQ_EXCHANGE": self.exchange}

    def read(self) -> Counter[str]:
        found: Counter[str] = Counter()
        while True:
            method, properties, _ = self.channel.basic_get(self.queue, auto_ack=True)
            if method is None:
                return found
            found[properties.message_id] += 1


class TestRedis(BusLaws):
    name = "redis"
    kinds: ClassVar = {"audience": Dedupe.SET, "profile": Dedupe.SET}

    @pytest.fixture(autouse=True)
    def _server(self) -> Iterator[None]:
        address = urlsplit(REDIS)
        self.client = redis.Redis.from_url(REDIS, decode_responses=True, socket_connect_timeout=2)
        try:
            self.client.ping()
        except redis.exceptions.ConnectionError:
            pytest.skip("no Redis server (KAIROS_TEST_REDIS names another)")
        self.wire = Wire(address.hostname or "", address.port or 6379)
        self.url = REDIS.replace(f":{address.port}", f":{self.wire.port}")
        self.prefix = f"kairos-test-{uuid.uuid4().hex}"
        with self.client:
            yield
            self.begin()
        self.wire.close()

    def begin(self) -> dict[str, str]:
        for key in self.client.scan_iter(f"{self.prefix}:*"):
            self.client.delete(key)
        return {"KAIROS_REDIS_URL": self.url, "KAIROS_REDIS_PREFIX": self.prefix}

    def read(self) -> Counter[str]:
        return Counter()

    def holds(self, operation: Operation) -> bool:
        if operation.kind == Kind.AUDIENCE:
            members = self.client.smembers(f"{self.prefix}:audience:people")
            return (operation.user_key in members) == (operation.operation == "add")
        held = self.client.hgetall(f"{self.prefix}:user:{operation.user_key}")
        return all(held[name] == value for name, value in operation.payload.items())


@pytest.fixture(scope="module")
def moto() -> Iterator[tuple[str, int]]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()
    server.stop()


class AwsLaws(BusLaws):
    kinds: ClassVar = KEYED
    # every run makes a client, which takes boto3 a while
    effort = 0.25

    @pytest.fixture(autouse=True)
    def _server(self, moto: tuple[str, int]) -> Iterator[None]:
        host, port = moto
        self.endpoint = f"http://{host}:{port}"
        self.wire = Wire(host, port)
        self.prepare()
        yield
        self.wire.close()

    def prepare(self) -> None:
        """Make what the clients need."""

    def around(self, transport: Transport) -> Transport:
        return InTurn(transport)

    def env(self, **more: str) -> dict[str, str]:
        return settings(self.name, f"http://127.0.0.1:{self.wire.port}", **more)


class TestKinesis(AwsLaws):
    name = "kinesis"

    def begin(self) -> dict[str, str]:
        self.client = boto3.client("kinesis", endpoint_url=self.endpoint, **KEYS)
        self.stream = f"stream-{uuid.uuid4().hex}"
        self.client.create_stream(StreamName=self.stream, ShardCount=1)
        return self.env(stream=self.stream)

    def read(self) -> Counter[str]:
        [shard] = self.client.list_shards(StreamName=self.stream)["Shards"]
        start = self.client.get_shard_iterator(
            StreamName=self.stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )
        records = self.client.get_records(ShardIterator=start["ShardIterator"])["Records"]
        return Counter(json.loads(record["Data"])["idempotency_key"] for record in records)


class TestEventBridge(AwsLaws):
    name = "eventbridge"

    def prepare(self) -> None:
        name = f"bus-{uuid.uuid4().hex}"
        events = boto3.client("events", endpoint_url=self.endpoint, **KEYS)
        self.queues = boto3.client("sqs", endpoint_url=self.endpoint, **KEYS)
        self.queue = self.queues.create_queue(QueueName=name)["QueueUrl"]
        [arn] = self.queues.get_queue_attributes(
            QueueUrl=self.queue, AttributeNames=["QueueArn"]
        )["Attributes"].values()  # fmt: skip
        events.create_event_bus(Name=name)
        pattern = json.dumps({"source": ["kairos"]})
        events.put_rule(Name=name, EventBusName=name, EventPattern=pattern)
        events.put_targets(Rule=name, EventBusName=name, Targets=[{"Id": "1", "Arn": arn}])
        self.bus = name

    def begin(self) -> dict[str, str]:
        self.read()
        return self.env(bus=self.bus)

    def read(self) -> Counter[str]:
        found: Counter[str] = Counter()
        options = {"QueueUrl": self.queue, "MaxNumberOfMessages": 10}
        while batch := self.queues.receive_message(**options).get("Messages"):
            for one in batch:
                found[json.loads(one["Body"])["detail"]["idempotency_key"]] += 1
                receipt = one["ReceiptHandle"]
                self.queues.delete_message(QueueUrl=self.queue, ReceiptHandle=receipt)
        return found


class Broken:
    """A cluster that cannot be cut off by a wire: what befalls each request is said beforehand.

    `unsent` and `unanswered` befall all of it; `part_unsent` and `part_unanswered` what comes
    after the first record.
    """

    def __init__(self, inner: Transport, faults: list[str]) -> None:
        self.inner, self.faults = inner, faults

    def send(self, request: Request) -> Response:
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "unsent":
            raise NotSent("no broker answered")
        whole = request.body
        if fault == "part_unsent":
            request.body[1:], rest = [], request.body[1:]
            answer = self.inner.send(_first(request))
            request.body[1:] = rest
            return _with(answer, len(whole), State.RETRYABLE)
        answer = self.inner.send(request)
        if fault == "unanswered":
            raise OutcomeUnknown("no broker acknowledged anything in time")
        return _with(answer, len(whole), State.UNKNOWN) if fault == "part_unanswered" else answer

    def close(self) -> None:
        self.inner.close()


def _first(request: Request) -> Request:
    return Request(operations=request.operations[:1], url=request.url, body=request.body)


def _with(answer: Response, count: int, state: State) -> Response:
    first = Result(**{**answer.json()[0], "state": State(answer.json()[0]["state"])})
    return answered([first] + [Result(state, None, "fault")] * (count - 1))


class TestKafka(BusLaws):
    name = "kafka"
    kinds: ClassVar = {"audience": Dedupe.SET, "profile": Dedupe.SET, "moment": Dedupe.NONE}
    faults: ClassVar[list[str]] = []

    def schedules(self, dice: Random) -> Iterator[Schedule]:
        kinds = deck(dice, ["unsent", "unanswered", "part_unsent", "part_unanswered", ""])
        return dealt(dice, lambda _: [next(kinds) for _ in range(dice.randrange(1, 5))])

    @pytest.fixture(autouse=True)
    def _cluster(self) -> Iterator[None]:
        cluster = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "mock"})
        [broker] = cluster.list_topics(timeout=10).brokers.values()
        self.brokers = f"{broker.host}:{broker.port}"
        yield
        cluster.purge()

    @contextmanager
    def faulty(self, schedule: Mapping[str, Any]) -> Iterator[None]:
        self.faults = list(schedule["faults"])
        yield
        self.faults = []

    def around(self, transport: Transport) -> Transport:
        return Broken(transport, self.faults)

    def begin(self) -> dict[str, str]:
        self.prefix = f"t{uuid.uuid4().hex}"
        return {
            "KAIROS_KAFKA_BOOTSTRAP_SERVERS": self.brokers,
            "KAIROS_KAFKA_TOPIC_PREFIX": self.prefix,
        }

    def read(self) -> Counter[str]:
        self.last: dict[tuple[str, str], Any] = {}
        found: Counter[str] = Counter()
        consumer = Consumer(
            {"bootstrap.servers": self.brokers, "group.id": "laws", "fetch.wait.max.ms": 10}
        )
        try:
            topics = consumer.list_topics(timeout=10).topics
            places = [
                TopicPartition(name, number, 0)
                for name in topics
                if name.startswith(f"{self.prefix}.")
                for number in topics[name].partitions
            ]
            count = sum(consumer.get_watermark_offsets(place, timeout=10)[1] for place in places)
            consumer.assign(places)
            for record in (consumer.poll(10) for _ in range(count)):
                topic = record.topic().removeprefix(f"{self.prefix}.")
                found[dict(record.headers())["idempotency_key"].decode()] += 1
                self.last[topic, record.key().decode()] = record.value()
        finally:
            consumer.close()
        return found

    def holds(self, operation: Operation) -> bool:
        topic = "audience.people" if operation.kind == Kind.AUDIENCE else "profile"
        value = self.last[topic, operation.user_key]
        return (value is None) == (operation.operation == "remove")
