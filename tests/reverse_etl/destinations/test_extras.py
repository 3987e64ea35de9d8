"""The libraries of buses are needed when a bus is used, and not before."""

import sys

import pytest

from kairos.doctor.delivery import check_destinations
from reverse_etl import destinations
from reverse_etl.errors import LibraryMissing

BUSES = {
    "kafka": ("confluent_kafka", {"KAIROS_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9"}),
    "rabbitmq": ("pika", {"KAIROS_RABBITMQ_URL": "amqp://127.0.0.1:9"}),
    "redis": ("redis", {"KAIROS_REDIS_URL": "redis://127.0.0.1:9"}),
    "aws": ("boto3", {"KAIROS_KINESIS_STREAM": "s", "KAIROS_KINESIS_REGION": "eu-west-1"}),
}


@pytest.mark.parametrize("extra", BUSES)
def test_a_missing_library_is_named_with_the_extra_that_brings_it(extra: str, monkeypatch) -> None:
    library, env = BUSES[extra]
    monkeypatch.setitem(sys.modules, library, None)
    destination = destinations.find("kinesis" if extra == "aws" else extra).from_env(env)

    with pytest.raises(LibraryMissing, match=rf"{library} .*pip install 'kairos\[{extra}\]'"):
        destination.transport()


def test_looking_at_destinations_needs_no_library(monkeypatch) -> None:
    env = {}
    for library, variables in BUSES.values():
        monkeypatch.setitem(sys.modules, library, None)
        env |= variables

    checks = {check.name: check.message for check in check_destinations(env)}

    assert checks["kafka"].startswith("configured")
    assert checks["kinesis"].startswith("configured")
