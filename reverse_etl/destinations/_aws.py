"""What the streams of AWS have in common: one client, its errors, and rows that fail alone."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from reverse_etl.destinations._bus import Bus, library, refused
from reverse_etl.destinations.base import address, setting
from reverse_etl.dispatch.transport import Transport
from reverse_etl.errors import NotSent, OutcomeUnknown
from reverse_etl.model import Request, Response, Result, State

ACCESS = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "NotAuthorized",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
PASSING = frozenset(
    {
        "InternalException",
        "InternalFailure",
        "KMSThrottlingException",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "Throttling",
        "ThrottlingException",
    }
)
NOT_REACHED = (NewConnectionError, ConnectTimeoutError)
CONNECT_SECONDS = 10
READ_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class Aws(Bus):
    """A service of AWS. Without keys of its own it finds those of the machine, as boto3 does."""

    region: str = setting()
    base_url: str | None = setting(None, parse=address)
    access_key_id: str | None = setting(None, secret=True)
    secret_access_key: str | None = setting(None, secret=True)
    session_token: str | None = setting(None, secret=True)

    service: ClassVar[str]

    def transport(self) -> Transport:
        """Make the client; the dispatcher alone repeats."""
        session = library("boto3", "aws").session.Session(
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            aws_session_token=self.session_token,
            region_name=self.region,
        )
        config = library("botocore.config", "aws").Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"total_max_attempts": 1},
            max_pool_connections=self.capabilities.concurrency,
        )
        return Calling(session.client(self.service, endpoint_url=self.base_url, config=config))


class Calling:
    """Calls the client's method that a request names, with the request's body as arguments."""

    def __init__(self, client: Any) -> None:
        """`client` is one of boto3's, which all threads may use."""
        self._client = client
        self._errors = library("botocore.exceptions", "aws")

    def send(self, request: Request) -> Response:
        """Call once; the answer is JSON, as AWS wrote it."""
        errors = self._errors
        try:
            answer = getattr(self._client, request.method)(**request.body)
        except errors.ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
            code = error.response.get("Error", {}).get("Code", "")
            return refused(_status(code, status), f"{code}: {error.response['Error']['Message']}")
        except (errors.NoCredentialsError, errors.PartialCredentialsError) as error:
            return refused(401, str(error))
        except (
            errors.EndpointConnectionError,
            errors.ConnectTimeoutError,
            errors.SSLError,
        ) as error:
            raise NotSent(f"AWS cannot be reached ({type(error).__name__})") from error
        except errors.ProxyConnectionError as error:
            # the same class for a proxy that is not there and for one that broke with the request
            cause = error.kwargs["error"].original_error
            is_early = isinstance(cause, NOT_REACHED) or str(cause).startswith("Tunnel connection")
            meaning = NotSent if is_early else OutcomeUnknown
            raise meaning(f"AWS: the proxy failed ({type(cause).__name__})") from error
        except errors.HTTPClientError as error:
            raise OutcomeUnknown(f"AWS did not answer ({type(error).__name__})") from error
        answer.pop("ResponseMetadata", None)
        return Response(200, {}, json.dumps(answer, default=str).encode())

    def close(self) -> None:
        """Close every connection."""
        self._client.close()


def entry_results(rows: Sequence[Mapping[str, Any]], expected: int) -> list[Result]:
    """Read one result per entry, in their order; ValueError where some are missing."""
    if len(rows) != expected:
        raise ValueError("not one answer per entry")
    return [_entry(row) for row in rows]


def _entry(row: Mapping[str, Any]) -> Result:
    code = row.get("ErrorCode")
    if not code:
        return Result(State.ACCEPTED, 200)
    state = State.RETRYABLE if code in PASSING | ACCESS else State.REJECTED
    return Result(state, 200, code, row.get("ErrorMessage"))


def _status(code: str, status: int) -> int:
    """The status that means what the code says: AWS answers 400 to nearly everything."""
    if code in ACCESS:
        return 403
    if code == "ResourceNotFoundException":
        return 404
    # what AWS broke on is left open; what it throttles was not done
    return 429 if code in PASSING and status < 500 else status
