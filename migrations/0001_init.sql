-- The conversations of one node. Ids are 16-byte blobs, times milliseconds since 1970, JSON is text.
-- Rows change only through `store::apply`; `events` is the truth and the other tables its projection.

CREATE TABLE meta (
    key   TEXT NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE conversations (
    id              BLOB NOT NULL PRIMARY KEY,
    workspace_id    BLOB NOT NULL,
    created_by      BLOB NOT NULL,
    agent           TEXT NOT NULL,
    name            TEXT,
    title           TEXT,
    visibility      TEXT NOT NULL,
    settings        TEXT NOT NULL,
    metadata        TEXT,
    archived        INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    head            BLOB,
    -- A fork sees of its origin only the path from this message to the root.
    origin_id       BLOB,
    fork_message_id BLOB,
    state           TEXT,
    active_at       INTEGER NOT NULL,
    deleted_at      INTEGER,
    purged          INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX conversations_named ON conversations (workspace_id, agent, name)
    WHERE name IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX conversations_own ON conversations (workspace_id, created_by, active_at)
    WHERE deleted_at IS NULL;
CREATE INDEX conversations_shared ON conversations (workspace_id, active_at)
    WHERE deleted_at IS NULL AND visibility = 'workspace';
CREATE INDEX conversations_forks ON conversations (origin_id) WHERE origin_id IS NOT NULL;
CREATE INDEX conversations_unpurged ON conversations (deleted_at)
    WHERE deleted_at IS NOT NULL AND purged = 0;

CREATE TABLE events (
    conversation_id BLOB NOT NULL,
    seq             INTEGER NOT NULL,
    at              INTEGER NOT NULL,
    turn_id         BLOB,
    body            TEXT NOT NULL,
    PRIMARY KEY (conversation_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE messages (
    id              BLOB NOT NULL PRIMARY KEY,
    conversation_id BLOB NOT NULL,
    parent_id       BLOB,
    depth           INTEGER NOT NULL,
    -- An ancestor far up, so that any ancestor is found in a logarithmic number of steps; a root's is itself.
    jump_id         BLOB NOT NULL,
    role            TEXT NOT NULL,
    status          TEXT NOT NULL,
    turn_id         BLOB,
    step            INTEGER,
    attempt         INTEGER,
    model           TEXT,
    finish_reason   TEXT,
    usage           TEXT,
    metadata        TEXT,
    created_at      INTEGER NOT NULL,
    completed_at    INTEGER,
    -- The last position of the log that is folded in; of a streaming message, that of its creation.
    seq             INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX messages_children ON messages (conversation_id, parent_id);
CREATE INDEX messages_of_turn ON messages (turn_id) WHERE turn_id IS NOT NULL;
CREATE INDEX messages_streaming ON messages (conversation_id) WHERE status = 'streaming';

-- `data` is the part as JSON with its streamed text left empty; the text itself is `text`, so that any
-- stretch of its bytes can be read alone.
CREATE TABLE parts (
    message_id BLOB NOT NULL,
    idx        INTEGER NOT NULL,
    kind       TEXT NOT NULL,
    data       TEXT NOT NULL,
    text       TEXT NOT NULL,
    opaque     TEXT,
    PRIMARY KEY (message_id, idx)
) STRICT;

-- Positions prev .. prev+length of the log are the bytes offset .. offset+length of that part's text.
CREATE TABLE runs (
    conversation_id BLOB NOT NULL,
    prev            INTEGER NOT NULL,
    message_id      BLOB NOT NULL,
    idx             INTEGER NOT NULL,
    offset          INTEGER NOT NULL,
    length          INTEGER NOT NULL,
    PRIMARY KEY (conversation_id, prev)
) STRICT, WITHOUT ROWID;

CREATE TABLE turns (
    id              BLOB NOT NULL PRIMARY KEY,
    conversation_id BLOB NOT NULL,
    state           TEXT NOT NULL,
    agent           TEXT NOT NULL,
    request         TEXT NOT NULL,
    input_id        BLOB NOT NULL,
    lane            BLOB NOT NULL,
    attempt         INTEGER NOT NULL,
    waiting_for     TEXT,
    -- The whole queued send, until the turn starts; and its place among the queued ones.
    queued          TEXT,
    queue_position  INTEGER,
    first_seq       INTEGER NOT NULL,
    last_seq        INTEGER,
    queued_at       INTEGER,
    started_at      INTEGER,
    ended_at        INTEGER,
    problem         TEXT,
    usage           TEXT,
    steered_into    BLOB
) STRICT, WITHOUT ROWID;

CREATE INDEX turns_unfinished ON turns (conversation_id)
    WHERE state IN ('queued', 'running', 'waiting');

CREATE TABLE calls (
    id         BLOB NOT NULL PRIMARY KEY,
    message_id BLOB NOT NULL,
    turn_id    BLOB NOT NULL,
    tool       TEXT NOT NULL,
    args_text  TEXT NOT NULL,
    state      TEXT NOT NULL,
    output     TEXT,
    error      TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX calls_of_message ON calls (message_id);

-- One row per commit: the streamed text of messages that were open then (`store::journal`). Positions have
-- no gaps; the newest row is never deleted, so they are never given twice.
CREATE TABLE journal (
    position INTEGER NOT NULL PRIMARY KEY,
    deltas   BLOB NOT NULL
) STRICT;

-- Text of an open message that has let go of the journal up to `through`.
CREATE TABLE chunks (
    message_id BLOB NOT NULL,
    through    INTEGER NOT NULL,
    deltas     BLOB NOT NULL,
    PRIMARY KEY (message_id, through)
) STRICT;

-- `scope` is a conversation or a workspace.
CREATE TABLE idempotency_keys (
    scope       BLOB NOT NULL,
    user_id     BLOB NOT NULL,
    key         TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    response    TEXT NOT NULL,
    turn_id     BLOB,
    at          INTEGER NOT NULL,
    PRIMARY KEY (scope, user_id, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_keys_by_age ON idempotency_keys (at) WHERE turn_id IS NULL;

-- `audience`: `readers` (who may read the conversation now), or for one that left a list: `creator`,
-- `others` (all but the creator), `workspace`.
CREATE TABLE feed (
    position        INTEGER NOT NULL PRIMARY KEY,
    workspace_id    BLOB NOT NULL,
    conversation_id BLOB NOT NULL,
    at              INTEGER NOT NULL,
    kind            TEXT NOT NULL,
    audience        TEXT NOT NULL,
    body            TEXT NOT NULL
) STRICT;

CREATE INDEX feed_of_workspace ON feed (workspace_id);
