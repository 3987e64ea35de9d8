-- The tables of a ledger of version 1, which had no number. Never change it: it is what steps begin from.
CREATE TABLE operations (
    idempotency_key TEXT NOT NULL,
    operation_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    destination TEXT NOT NULL,
    kind TEXT NOT NULL,
    operation TEXT NOT NULL,
    object_key TEXT NOT NULL,
    user_key TEXT NOT NULL,
    decision_id TEXT,
    payload_hash TEXT,
    state TEXT NOT NULL,
    attempt_count INTEGER NOT NULL,
    planned_at BIGINT NOT NULL,
    sent_at BIGINT,
    acknowledged_at BIGINT,
    expires_at BIGINT,
    http_status INTEGER,
    error_code TEXT,
    error_message TEXT,
    scope TEXT,
    counts_toward_caps BOOLEAN NOT NULL,
    owner_id TEXT,
    PRIMARY KEY (idempotency_key)
);
CREATE INDEX operations_by_owner ON operations (owner_id);
CREATE INDEX operations_by_user ON operations (user_key);
CREATE TABLE operation_changes (
    sequence INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    idempotency_key TEXT NOT NULL,
    operation_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    destination TEXT NOT NULL,
    kind TEXT NOT NULL,
    operation TEXT NOT NULL,
    object_key TEXT NOT NULL,
    user_key TEXT NOT NULL,
    decision_id TEXT,
    payload_hash TEXT,
    state TEXT NOT NULL,
    attempt_count INTEGER NOT NULL,
    planned_at BIGINT NOT NULL,
    sent_at BIGINT,
    acknowledged_at BIGINT,
    expires_at BIGINT,
    http_status INTEGER,
    error_code TEXT,
    error_message TEXT,
    scope TEXT,
    counts_toward_caps BOOLEAN NOT NULL
);
CREATE TABLE runs (
    run_id TEXT NOT NULL,
    destination TEXT NOT NULL,
    owner_id TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    finished_at BIGINT,
    status TEXT NOT NULL,
    counts TEXT,
    request_count INTEGER,
    PRIMARY KEY (run_id)
);
CREATE TABLE run_changes (
    sequence INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    run_id TEXT NOT NULL
);
CREATE TABLE reservations (
    decision_id TEXT NOT NULL,
    user_key TEXT NOT NULL,
    account_id TEXT,
    session_id TEXT,
    scope TEXT,
    reserved_at BIGINT NOT NULL,
    released_at BIGINT,
    counts_toward_caps BOOLEAN NOT NULL,
    PRIMARY KEY (decision_id)
);
CREATE INDEX reservations_by_session ON reservations (session_id);
CREATE INDEX reservations_by_account ON reservations (account_id, reserved_at);
CREATE INDEX reservations_by_user ON reservations (user_key, reserved_at);
CREATE TABLE owners (
    owner_id TEXT NOT NULL,
    lease_until FLOAT NOT NULL,
    PRIMARY KEY (owner_id)
);
