"""The formats that can be taken: what each looks like, and where it lands."""

from collections.abc import Set
from dataclasses import dataclass

from warehouse.errors import KairosError

AUTO = "auto"
EVENT_COLUMNS = (
    "event_id",
    "user_id",
    "anonymous_id",
    "event_name",
    "event_at",
    "page_url",
    "device_type",
    "user_agent",
    "properties",
    "source",
)
USER_COLUMNS = (
    "user_id",
    "account_id",
    "email_hash",
    "segment",
    "time_zone",
    "locale",
    "signed_up_at",
    "consents",
    "traits",
    "updated_at",
)
FEEDBACK_COLUMNS = (
    "feedback_id",
    "source",
    "kind",
    "idempotency_key",
    "user_id",
    "content_key",
    "occurred_at",
    "payload",
)
AMPLITUDE_FIELDS = frozenset(("$insert_id", "amplitude_id", "event_time", "device_id", "uuid"))
MIXPANEL_FIELDS = frozenset(("distinct_id", "$insert_id", "time"))


@dataclass(frozen=True)
class Format:
    """One format of files."""

    name: str
    table: str
    columns: tuple[str, ...] = ()
    """Fields with a column of their own; none where the whole JSON text lands as `payload`."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The columns of its table, without those that say where a row comes from."""
        return self.columns or ("payload",)

    @property
    def is_tabular(self) -> bool:
        """Whether CSV and Parquet carry it, too."""
        return bool(self.columns)


FORMATS = {
    each.name: each
    for each in (
        Format("kairos", "raw.events", EVENT_COLUMNS),
        Format("segment", "raw.events_segment"),
        Format("users", "raw.users", USER_COLUMNS),
        Format("feedback", "raw.feedback", FEEDBACK_COLUMNS),
        Format("mixpanel", "raw.events_mixpanel"),
        Format("amplitude", "raw.events_amplitude"),
        Format("snowplow", "raw.events_snowplow"),
    )
}


def require_known(name: str) -> None:
    """Raise `KairosError` with the names there are, unless `name` is one of them or `auto`."""
    if name not in (AUTO, *FORMATS):
        raise KairosError(f"there is no format {name!r}: use one of {AUTO}, {', '.join(FORMATS)}")


def recognise(names: Set[str], properties: Set[str] = frozenset()) -> str | None:
    """Say which format a record is in, going by the names of its fields and of its properties.

    Only names that no other format has are taken as proof; None without any.
    """
    if "collector_tstamp" in names:
        return "snowplow"
    if names & {"messageId", "batch"} or ("type" in names and names & {"userId", "anonymousId"}):
        return "segment"
    if "event" in names and properties & MIXPANEL_FIELDS:
        return "mixpanel"
    if "event_type" in names and names & AMPLITUDE_FIELDS:
        return "amplitude"
    if names & {"event_name", "event_at"}:
        return "kairos"
    if "feedback_id" in names:
        return "feedback"
    # something is known of a person, but not when it happened
    if "user_id" in names and len(names & set(USER_COLUMNS)) > 1:
        return "users"
    return None
