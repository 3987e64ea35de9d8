-- The tables in which everything lands, as it was delivered. Times are naive UTC.
-- Text stays text here: staging parses it, so that what cannot be parsed can still be set aside and read.
-- A column that is new here is added to the tables of older versions, as null.

create schema if not exists raw;

create table if not exists raw.events (
    event_id varchar,
    user_id varchar,
    anonymous_id varchar,
    event_name varchar,
    event_at varchar,
    page_url varchar,
    device_type varchar,
    user_agent varchar,
    properties varchar,
    source varchar,
    source_file varchar,
    source_line bigint,
    loaded_at timestamp
);

-- one JSON document per event, exactly as the vendor exported it
create table if not exists raw.events_segment (
    payload varchar, source_file varchar, source_line bigint, loaded_at timestamp
);
create table if not exists raw.events_mixpanel (
    payload varchar, source_file varchar, source_line bigint, loaded_at timestamp
);
create table if not exists raw.events_amplitude (
    payload varchar, source_file varchar, source_line bigint, loaded_at timestamp
);
create table if not exists raw.events_snowplow (
    payload varchar, source_file varchar, source_line bigint, loaded_at timestamp
);

-- what is no event at all: reason is not_json, not_an_object, too_large or not_a_row
create table if not exists raw.unreadable_lines (
    source varchar,
    source_file varchar,
    source_line bigint,
    payload varchar,
    reason varchar,
    loaded_at timestamp
);

create table if not exists raw.users (
    user_id varchar,
    account_id varchar,
    email_hash varchar,
    segment varchar,
    time_zone varchar,
    locale varchar,
    signed_up_at varchar,
    consents varchar,
    traits varchar,
    updated_at varchar,
    source_file varchar,
    source_line bigint,
    loaded_at timestamp
);

create table if not exists raw.feedback (
    feedback_id varchar,
    source varchar,
    kind varchar,
    idempotency_key varchar,
    user_id varchar,
    content_key varchar,
    occurred_at varchar,
    payload varchar,
    source_file varchar,
    source_line bigint,
    loaded_at timestamp
);

-- which files were taken, by what they hold once unpacked: the same content under another name, or
-- compressed, is not taken again. The hash of the file's own bytes spares it from being unpacked.
create table if not exists raw.loads (
    content_sha256 varchar primary key,
    format varchar,
    source_file varchar,
    byte_count bigint,
    row_count bigint,
    unreadable_count bigint,
    file_sha256 varchar,
    loaded_at timestamp
);

-- how the files of the landing folder looked when they were taken, so that they need not be read
-- again to know that
create table if not exists raw.landing_files (
    path varchar primary key, byte_count bigint, modified_ns bigint
);

-- the ledger's log of changes; the latest sequence of an operation is its state
create table if not exists raw.sync_operations (
    sequence bigint,
    operation_id varchar,
    idempotency_key varchar,
    run_id varchar,
    destination varchar,
    kind varchar,
    operation varchar,
    object_key varchar,
    user_key varchar,
    decision_id varchar,
    payload_hash varchar,
    state varchar,
    attempt_count integer,
    planned_at timestamp,
    sent_at timestamp,
    acknowledged_at timestamp,
    expires_at timestamp,
    http_status integer,
    error_code varchar,
    error_message varchar,
    scope varchar,
    counts_toward_caps boolean,
    field_names varchar,
    loaded_at timestamp
);

-- one row per run, when it has ended
create table if not exists raw.sync_runs (
    sequence bigint,
    run_id varchar,
    destination varchar,
    started_at timestamp,
    finished_at timestamp,
    status varchar,
    counts varchar,
    request_count integer,
    loaded_at timestamp
);

-- who asked for everything to be said to a destination again, and how far the ledger was then
create table if not exists raw.resyncs (
    destination varchar,
    ledger_sequence bigint,
    requested_at timestamp,
    loaded_at timestamp
);
