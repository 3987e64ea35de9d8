"""EventBridge and Kinesis, against the server of moto."""

import json
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from kairos.doctor.check import Status
from kairos.doctor.delivery import check_destination
from reverse_etl import destinations
from reverse_etl.destinations.eventbridge import EventBridge
from reverse_etl.destinations.kinesis import Kinesis
from reverse_etl.dispatch.transport import Transport
from reverse_etl.errors import NotSent, OutcomeUnknown
from reverse_etl.model import Request, Response
from tests.reverse_etl.conftest import moment, operation
from tests.reverse_etl.proxies import Authority, ForwardProxy, origin

KEYS = {"region_name": "eu-west-1", "aws_access_key_id": "id", "aws_secret_access_key": "key"}


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def settings(name: str, url: str, **more: str) -> dict[str, str]:
    values = {
        "base_url": url,
        "region": KEYS["region_name"],
        "access_key_id": KEYS["aws_access_key_id"],
        "secret_access_key": KEYS["aws_secret_access_key"],
        **more,
    }
    return {f"KAIROS_{name}_{field}".upper(): value for field, value in values.items()}


@pytest.fixture
def stream(moto: str, request: pytest.FixtureRequest) -> tuple[dict[str, str], Callable[[], Any]]:
    name = request.node.name
    client = boto3.client("kinesis", endpoint_url=moto, **KEYS)
    client.create_stream(StreamName=name, ShardCount=2)

    def read() -> list[dict[str, Any]]:
        records: list[dict[str, Any]] = []
        for shard in client.list_shards(StreamName=name)["Shards"]:
            start = client.get_shard_iterator(
                StreamName=name, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )
            records += client.get_records(ShardIterator=start["ShardIterator"])["Records"]
        return records

    return settings("kinesis", moto, stream=name), read


@pytest.fixture
def bus(moto: str, request: pytest.FixtureRequest) -> tuple[dict[str, str], Callable[[], Any]]:
    """A bus whose rule for our source leads to a queue."""
    name = request.node.name[:60]
    events = boto3.client("events", endpoint_url=moto, **KEYS)
    queues = boto3.client("sqs", endpoint_url=moto, **KEYS)
    queue = queues.create_queue(QueueName=name)["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    events.create_event_bus(Name=name)
    pattern = json.dumps({"source": ["kairos"]})
    events.put_rule(Name=name, EventBusName=name, EventPattern=pattern)
    target = {"Id": "1", "Arn": arn["QueueArn"]}
    events.put_targets(Rule=name, EventBusName=name, Targets=[target])

    def read() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while batch := queues.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            found += [json.loads(one["Body"]) for one in batch]
            for one in batch:
                queues.delete_message(QueueUrl=queue, ReceiptHandle=one["ReceiptHandle"])
        return found

    return settings("eventbridge", moto, bus=name), read


class InTurn:
    """One call at a time: moto loses records that are put at the same instant."""

    def __init__(self, inner: Transport) -> None:
        self.inner, self.lock = inner, threading.Lock()

    def send(self, request: Request) -> Response:
        with self.lock:
            return self.inner.send(request)

    def close(self) -> None:
        self.inner.close()


class Throttled:
    """AWS as it is when it takes only some entries: the second of the first request is not."""

    def __init__(self, inner: Transport, field: str, code: str) -> None:
        self.inner, self.field, self.code = inner, field, code
        self.sizes: list[int] = []

    def send(self, request: Request) -> Response:
        entries = request.body[{"Records": "Records", "Entries": "Entries"}[self.field]]
        self.sizes.append(len(entries))
        if len(self.sizes) > 1:
            return self.inner.send(request)
        refused = entries.pop(1)
        answer = self.inner.send(request)
        entries.insert(1, refused)
        document = answer.json()
        document[self.field].insert(1, {"ErrorCode": self.code, "ErrorMessage": "too fast"})
        return Response(200, {}, json.dumps(document).encode())

    def close(self) -> None:
        self.inner.close()


def rows(name: str, count: int) -> list[Any]:
    return [moment(n, destination=name, payload={"band": "high"}) for n in range(count)]


def test_records_arrive_under_the_key_of_their_user(deliver, stream) -> None:
    env, read = stream
    delivery = deliver("kinesis", env)

    outcome = delivery(
        *rows("kinesis", 600),
        operation(900, destination="kinesis", verb="remove"),
        transport=InTurn(Kinesis.from_env(env).transport()),
    )

    assert outcome.counts == {"accepted": 601}
    assert outcome.request_count == 2
    found = {r["PartitionKey"]: json.loads(r["Data"]) for r in read()}
    assert len(found) == 601
    assert found["user-5"]["idempotency_key"] == rows("kinesis", 6)[5].idempotency_key
    assert found["user-900"]["operation"] == "remove"


@pytest.mark.parametrize(
    ("code", "counts", "sizes"),
    [
        ("ProvisionedThroughputExceededException", {"accepted": 5}, [5, 1]),
        ("InvalidArgumentException", {"accepted": 4, "rejected": 1}, [5]),
    ],
)
def test_only_the_records_that_failed_are_sent_again(
    deliver, stream, code: str, counts: dict[str, int], sizes: list[int]
) -> None:
    env, read = stream
    throttled = Throttled(Kinesis.from_env(env).transport(), "Records", code)
    delivery = deliver("kinesis", env)

    outcome = delivery(*rows("kinesis", 5), transport=throttled)

    assert outcome.counts == counts
    assert throttled.sizes == sizes
    assert sorted(r["PartitionKey"] for r in read()) == sorted(
        user for user, state in delivery.states().items() if state == "accepted"
    )


def test_records_keep_to_count_and_bytes() -> None:
    kinesis = Kinesis.from_env(settings("kinesis", "http://127.0.0.1:9", stream="s"))
    wide = [moment(n, destination="kinesis", payload={"t": "x" * 1_000_000}) for n in range(6)]
    long = moment(1, destination="kinesis", user_key="u" * 300)

    assert [len(r.operations) for r in kinesis.requests(wide)] == [5, 1]
    [request] = kinesis.requests([long])
    assert len(request.body["Records"][0]["PartitionKey"]) == 64
    huge = moment(1, destination="kinesis", payload={"t": "x" * 1_100_000})
    assert "more than 1048576" in str(kinesis.check(huge))


def test_events_arrive_with_our_key_inside(deliver, bus) -> None:
    env, read = bus
    delivery = deliver("eventbridge", env)

    outcome = delivery(
        *rows("eventbridge", 23),
        operation(99, destination="eventbridge"),
        transport=InTurn(EventBridge.from_env(env).transport()),
    )

    assert outcome.counts == {"accepted": 24}
    assert outcome.request_count == 3
    found = read()
    keys = {event["detail"]["idempotency_key"] for event in found}
    assert len(found) == len(keys) == 24
    assert {event["detail-type"] for event in found} == {"kairos.moment", "kairos.audience"}


def test_only_the_entries_that_failed_are_sent_again(deliver, bus) -> None:
    env, read = bus
    inner = EventBridge.from_env(env).transport()
    throttled = Throttled(inner, "Entries", "ThrottlingException")

    outcome = deliver("eventbridge", env)(*rows("eventbridge", 5), transport=throttled)

    assert outcome.counts == {"accepted": 5}
    assert throttled.sizes == [5, 1]
    assert len(read()) == 5


def test_entries_are_measured_as_aws_measures_them() -> None:
    env = settings("eventbridge", "http://127.0.0.1:9")
    [request] = EventBridge.from_env(env).requests([moment(1, destination="eventbridge")])
    [entry] = request.body["Entries"]
    parts = (entry["Source"], entry["DetailType"], entry["Detail"])
    size = 14 + sum(len(part.encode()) for part in parts)

    exact = EventBridge.from_env({**env, "KAIROS_EVENTBRIDGE_BATCH_BYTES": str(2 * size)})
    short = EventBridge.from_env({**env, "KAIROS_EVENTBRIDGE_BATCH_BYTES": str(2 * size - 1)})

    two = [moment(1, destination="eventbridge"), moment(2, destination="eventbridge")]
    assert [len(r.operations) for r in exact.requests(two)] == [2]
    assert [len(r.operations) for r in short.requests(two)] == [1, 1]
    small = EventBridge.from_env({**env, "KAIROS_EVENTBRIDGE_BATCH_BYTES": str(size - 1)})
    assert small.check(two[0]) == f"it has {size} bytes, more than {size - 1}"


def test_a_stream_that_does_not_exist_refuses_everything(deliver, moto) -> None:
    env = settings("kinesis", moto, stream="no-such-stream")

    outcome = deliver("kinesis", env)(*rows("kinesis", 5))

    assert outcome.counts == {"rejected": 5}
    assert outcome.request_count == 1


def test_the_doctor_asks_for_bus_and_stream(bus, stream) -> None:
    for name, (env, _) in (("eventbridge", bus), ("kinesis", stream)):
        assert check_destination(name, env).status is Status.OK
        field = {"eventbridge": "BUS", "kinesis": "STREAM"}[name]
        missing = {**env, f"KAIROS_{name.upper()}_{field}": "missing"}
        assert check_destination(name, missing).status is Status.FAIL


@pytest.mark.parametrize(
    ("code", "state"),
    [("AccessDeniedException", "problem"), ("ThrottlingException", "accepted")],
)
def test_what_aws_says_of_a_whole_request_is_understood(
    deliver, stream, code: str, state: str
) -> None:
    env, _ = stream
    transport = Kinesis.from_env(env).transport()
    put, calls = transport._client.put_records, []

    def refuse_once(**arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 1:
            error = {"Error": {"Code": code, "Message": "no"},
                     "ResponseMetadata": {"HTTPStatusCode": 400}}  # fmt: skip
            raise transport._errors.ClientError(error, "PutRecords")
        return put(**arguments)

    transport._client.put_records = refuse_once
    outcome = deliver("kinesis", env)(*rows("kinesis", 3), transport=transport)

    if state == "accepted":
        assert outcome.counts == {"accepted": 3}
        assert [len(call["Records"]) for call in calls] == [3, 3]
    else:
        assert outcome.counts == {"retryable": 3}
        assert "KAIROS_KINESIS_" in str(outcome.problem)


def test_an_endpoint_that_is_not_there_has_been_sent_nothing(deliver) -> None:
    for name, more in (("kinesis", {"stream": "s"}), ("eventbridge", {})):
        outcome = deliver(name, settings(name, "http://127.0.0.1:9", **more))(*rows(name, 2))

        assert outcome.counts == {"retryable": 2}, name


def test_secrets_stay_out_of_sight() -> None:
    env = settings("kinesis", "http://127.0.0.1:9", stream="s", secret_access_key="s3cret-value")
    found = destinations.find("kinesis").from_env(env)

    assert "s3cret-value" not in repr(found)
    assert "s3cret-value" in found.secrets()


def ask(url: str) -> Response:
    destination = Kinesis.from_env(settings("kinesis", url, stream="any"))
    transport = destination.transport()
    try:
        return transport.send(destination.probe())
    finally:
        transport.close()


def test_what_a_proxy_did_not_take_was_not_sent_and_what_it_took_is_in_doubt(monkeypatch) -> None:
    def behind(proxy: str) -> None:
        # boto3 reads the environment itself
        for scheme in ("http", "https"):
            monkeypatch.setenv(f"{scheme}_proxy", proxy)

    behind("http://ann:s3cret@127.0.0.1:9")
    for scheme in ("http", "https"):
        with pytest.raises(NotSent, match="the proxy failed") as refusal:
            ask(f"{scheme}://aws.example")
        assert "s3cret" not in str(refusal.value)
    refusing = b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"
    with ForwardProxy(9, answer=refusing).running() as proxy:
        behind(f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(NotSent):
            ask("https://aws.example")
    with ForwardProxy(9, answer=b"").running() as proxy:
        behind(f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(OutcomeUnknown):
            ask("http://aws.example")
    assert len(proxy.requests) == 1


def test_a_certificate_of_a_stranger_is_sent_nothing(tmp_path) -> None:
    with (
        origin(Authority(tmp_path, "strange").context()) as (port, requests),
        pytest.raises(NotSent, match="SSLError"),
    ):
        ask(f"https://127.0.0.1:{port}")
    assert requests == []
