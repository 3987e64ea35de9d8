"""Kafka, against the mock cluster of librdkafka: a real protocol peer in this process."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from kairos.doctor.check import Status
from kairos.doctor.delivery import check_destination
from reverse_etl.destinations.kafka import Kafka
from reverse_etl.errors import NotConfigured, OutcomeUnknown
from tests.reverse_etl.conftest import moment, operation


@pytest.fixture(scope="module")
def brokers() -> Iterator[str]:
    """A cluster of three, which lives as long as its client."""
    cluster = Producer({"test.mock.num.brokers": 3, "bootstrap.servers": "mock"})
    found = cluster.list_topics(timeout=10).brokers.values()
    yield ",".join(f"{broker.host}:{broker.port}" for broker in found)
    cluster.purge()


@pytest.fixture
def env(brokers: str, request: pytest.FixtureRequest) -> dict[str, str]:
    # one cluster for all tests, a prefix for each
    prefix = request.node.name.replace("[", ".").rstrip("]")
    return {"KAIROS_KAFKA_BOOTSTRAP_SERVERS": brokers, "KAIROS_KAFKA_TOPIC_PREFIX": prefix}


def records(env: dict[str, str], topic: str) -> list[Any]:
    """Everything in a topic, partition by partition."""
    consumer = Consumer(
        {"bootstrap.servers": env["KAIROS_KAFKA_BOOTSTRAP_SERVERS"], "group.id": "test"}
    )
    try:
        partitions = [
            TopicPartition(topic, number, 0)
            for number in consumer.list_topics(topic, timeout=10).topics[topic].partitions
        ]
        expected = sum(consumer.get_watermark_offsets(p, timeout=10)[1] for p in partitions)
        consumer.assign(partitions)
        return [consumer.poll(10) for _ in range(expected)]
    finally:
        consumer.close()


def kafka(number: int, **fields: Any) -> Any:
    return operation(number, destination="kafka", **fields)


def test_members_are_records_and_leaving_is_a_tombstone(deliver, env) -> None:
    delivery = deliver("kafka", env)
    stays = kafka(1)

    assert delivery(stays, kafka(2)).counts == {"accepted": 2}
    assert delivery(kafka(3, verb="remove", user_key="user-2")).counts == {"accepted": 1}

    found = records(env, f"{env['KAIROS_KAFKA_TOPIC_PREFIX']}.audience.people")
    last = {record.key(): record.value() for record in found}
    assert last[b"user-2"] is None
    assert json.loads(last[b"user-1"])["operation"] == "add"
    headers = {r.key(): dict(r.headers()) for r in found}
    assert headers[b"user-1"]["idempotency_key"] == stays.idempotency_key.encode()
    assert headers[b"user-2"]["operation"] == b"remove"


def test_moments_and_profiles_have_topics_of_their_own(deliver, env) -> None:
    delivery = deliver("kafka", {**env, "KAIROS_KAFKA_TOPICS": "profile=people"})

    outcome = delivery(
        moment(1, destination="kafka", payload={"band": "high"}),
        kafka(2, kind="profile", verb="update", object_key="profile", payload={"plan": "pro"}),
    )

    assert outcome.counts == {"accepted": 2}
    [sent] = records(env, f"{env['KAIROS_KAFKA_TOPIC_PREFIX']}.moment")
    [profile] = records(env, "people")
    assert sent.key() == b"user-1"
    assert json.loads(sent.value())["payload"] == {"band": "high"}
    assert json.loads(profile.value())["payload"] == {"plan": "pro"}


def test_a_record_that_is_too_large_stands_alone(deliver, env) -> None:
    delivery = deliver("kafka", {**env, "KAIROS_KAFKA_CONFIG": "message.max.bytes=2000"})
    rows = [moment(n, destination="kafka") for n in range(5)]

    outcome = delivery(*rows, moment(9, destination="kafka", payload={"text": "x" * 3_000}))

    assert outcome.counts == {"accepted": 5, "rejected": 1}
    assert delivery.codes()["user-9"] == "MSG_SIZE_TOO_LARGE"


def test_many_records_arrive_once_each(deliver, env) -> None:
    delivery = deliver("kafka", {**env, "KAIROS_KAFKA_BATCH_COUNT": "300"})
    rows = [moment(n, destination="kafka") for n in range(2_000)]

    assert delivery(*rows).counts == {"accepted": 2_000}

    found = records(env, f"{env['KAIROS_KAFKA_TOPIC_PREFIX']}.moment")
    keys = [dict(record.headers())["idempotency_key"].decode() for record in found]
    assert sorted(keys) == sorted(row.idempotency_key for row in rows)


def test_a_cluster_that_is_not_there_has_been_sent_nothing(deliver, env, monkeypatch) -> None:
    monkeypatch.setattr("reverse_etl.destinations.kafka.CONNECT_SECONDS", 0.3)
    nobody = {**env, "KAIROS_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9"}

    outcome = deliver("kafka", nobody)(moment(1, destination="kafka"))

    assert outcome.counts == {"retryable": 1}
    assert check_destination("kafka", nobody).status is Status.FAIL
    assert check_destination("kafka", env).status is Status.OK


def test_brokers_that_die_leave_it_open_what_arrived() -> None:
    cluster = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "mock"})
    [broker] = cluster.list_topics(timeout=10).brokers.values()
    destination = Kafka.from_env(
        {
            "KAIROS_KAFKA_BOOTSTRAP_SERVERS": f"{broker.host}:{broker.port}",
            "KAIROS_KAFKA_DELIVERY_TIMEOUT_SECONDS": "1",
        }
    )
    first, second = (
        request
        for number in (1, 2)
        for request in destination.requests([moment(number, destination="kafka")])
    )
    transport = destination.transport()
    try:
        [result] = destination.results(first, transport.send(first))
        assert result.state == "accepted"
        # the mock lives in its client
        del cluster

        with pytest.raises(OutcomeUnknown):
            transport.send(second)
    finally:
        transport.close()


def test_the_producer_is_idempotent_whatever_the_settings_say(env) -> None:
    weak = {**env, "KAIROS_KAFKA_CONFIG": "acks=1,enable.idempotence=false"}
    Kafka.from_env(weak).transport().close()  # librdkafka refuses acks=1 beside idempotence

    unknown = Kafka.from_env({**env, "KAIROS_KAFKA_CONFIG": "no.such.property=1"})
    with pytest.raises(NotConfigured, match=r"no\.such\.property"):
        unknown.transport()


def test_a_topic_that_cannot_be_is_refused_before_anything_is_sent(env) -> None:
    destination = Kafka.from_env(env)

    assert "KAIROS_KAFKA_TOPICS" in str(destination.check(kafka(1, object_key="a b")))
    mapped = Kafka.from_env({**env, "KAIROS_KAFKA_TOPICS": "a b=a.b"})
    assert mapped.check(kafka(1, object_key="a b")) is None
