-- notify.db: whom the server tells by itself, and what is still to be told. Ids are TypeIDs, times are milliseconds
-- since 1970.

-- `cursor` is how far into the feed its deliveries were made. The secrets sign, so they are kept as they are.
CREATE TABLE webhooks (
    id               TEXT    NOT NULL PRIMARY KEY,
    workspace_id     TEXT    NOT NULL,
    url              TEXT    NOT NULL,
    description      TEXT,
    events           TEXT    NOT NULL CHECK (json_valid(events)),
    agents           TEXT    CHECK (json_valid(agents)),
    enabled          INTEGER NOT NULL,
    disabled_reason  TEXT,
    failing_since    INTEGER,
    secret           TEXT    NOT NULL,
    old_secret       TEXT,
    old_secret_until INTEGER,
    cursor           INTEGER NOT NULL,
    created_by       TEXT    NOT NULL,
    created_at       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX webhooks_of_workspace ON webhooks (workspace_id, id);

-- `position` is that of the notification in the feed; a test has none.
CREATE TABLE deliveries (
    id         TEXT    NOT NULL PRIMARY KEY,
    webhook_id TEXT    NOT NULL,
    position   INTEGER,
    kind       TEXT    NOT NULL,
    payload    TEXT    NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('pending', 'delivered', 'dead')),
    attempts   INTEGER NOT NULL,
    next_at    INTEGER,
    status     INTEGER,
    answer     TEXT,
    error      TEXT,
    created_at INTEGER NOT NULL,
    ended_at   INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX deliveries_of_webhook ON deliveries (webhook_id, id);
CREATE INDEX deliveries_due ON deliveries (webhook_id, next_at) WHERE state = 'pending';
CREATE UNIQUE INDEX deliveries_once ON deliveries (webhook_id, position) WHERE position IS NOT NULL;
