"""Retry-After in every unit, the token bucket, the circuit breaker."""

from email.utils import formatdate

import pytest

from reverse_etl.dispatch.breaker import FAILURES, Breaker
from reverse_etl.dispatch.headers import Advice, read_advice
from reverse_etl.dispatch.rate import RateLimit, TokenBucket

EPOCH = 1_772_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("headers", "advice"),
    [
        ({"retry-after": "7"}, Advice(7)),
        ({"retry-after": formatdate(EPOCH + 30, usegmt=True)}, Advice(30)),
        ({"retry-after": formatdate(EPOCH - 30, usegmt=True)}, Advice(0)),
        ({"retry-after": "soon"}, Advice(None)),
        ({"retry-after": "-1"}, Advice(None)),
        ({"retry-after": "nan"}, Advice(None)),
        # Braze and Intercom: epoch seconds; LaunchDarkly: epoch milliseconds
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(EPOCH) + 9)},
         Advice(9, 0, 9)),
        ({"x-ratelimit-route-remaining": "0", "x-ratelimit-global-remaining": "5",
          "x-ratelimit-reset": str(int(EPOCH * 1000) + 2500)}, Advice(2.5, 0, 2.5)),
        # Split: seconds to wait, the longer of two
        ({"x-ratelimit-remaining-org": "0", "x-ratelimit-reset-seconds-org": "3",
          "x-ratelimit-reset-seconds-ip": "8"}, Advice(8, 0, 8)),
        ({"x-ratelimit-remaining": "12", "x-ratelimit-reset": "6"}, Advice(None, 12, 6)),
        ({}, Advice()),
    ],
)  # fmt: skip
def test_advice_is_read_in_every_unit(headers: dict[str, str], advice: Advice) -> None:
    assert read_advice(headers, EPOCH) == advice


def test_who_refuses_means_the_wait_whatever_remains() -> None:
    headers = {"x-ratelimit-remaining": "3", "x-ratelimit-reset": "4"}

    assert read_advice(headers, EPOCH, is_refused=True).wait_seconds == 4
    assert read_advice({"x-ratelimit-reset": "4"}, EPOCH, is_refused=True).wait_seconds == 4


def test_rows_and_requests_of_requests_are_paced_too() -> None:
    clock = Clock()
    rows = TokenBucket(RateLimit(100, rows=1_000), clock=clock)
    assert rows.take(rows=490) == 0
    assert rows.take(rows=1) == pytest.approx(0.5)
    assert rows.take() == pytest.approx(0.5 + 1 / 98)

    places = TokenBucket(RateLimit(10), clock=clock)
    assert places.take(3) == 0
    assert places.take() == pytest.approx(3 / 9.8)


def test_no_window_of_the_limit_holds_too_many() -> None:
    clock = Clock()
    bucket = TokenBucket(RateLimit(60, 1.0), clock=clock)
    sent: list[float] = []
    for step in range(600):
        if step == 300:
            clock.now += 5  # idle: nothing is saved up
        clock.now += bucket.take()
        sent.append(clock.now)

    fullest = max(sum(start <= at < start + 1 for at in sent) for start in sent)
    assert fullest <= 60
    assert 600 / (sent[-1] - sent[0] - 5) >= 0.97 * 60


def test_a_bucket_is_silent_for_as_long_as_it_is_asked() -> None:
    clock = Clock()
    bucket = TokenBucket(None, clock=clock)
    assert bucket.take() == 0

    bucket.learn(Advice(wait_seconds=5))

    assert bucket.take() == 5
    clock.now += 5
    assert bucket.closed_seconds == 0


def test_a_bucket_spreads_what_the_destination_says_is_left() -> None:
    clock = Clock()
    bucket = TokenBucket(RateLimit(60, 1.0), clock=clock)
    bucket.take()

    bucket.learn(Advice(remaining=2, reset_seconds=1))

    assert bucket.take() >= 0.5


def test_a_breaker_opens_probes_once_and_closes() -> None:
    clock = Clock()
    breaker = Breaker(1.0, 60, clock)
    for _ in range(FAILURES):
        assert breaker.wait_seconds() == 0
        breaker.failed()

    assert breaker.wait_seconds() == 1
    clock.now += 1
    assert breaker.wait_seconds() == 0, "the probe"
    assert breaker.wait_seconds() == 1, "the others wait for it"
    breaker.succeeded()
    assert breaker.wait_seconds() == 0


def test_a_breaker_gives_up_when_its_patience_is_at_an_end() -> None:
    clock = Clock()
    breaker = Breaker(1.0, 10, clock)
    for _ in range(FAILURES):
        breaker.failed()
    clock.now += 11
    breaker.failed()

    assert breaker.wait_seconds() is None
