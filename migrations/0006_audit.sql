-- Who decided what, and what ran: one chain of hashes per workspace, only ever added to. `body` and its `salt` go when
-- their conversation is purged; everything else of a row stays, and so does the chain.
CREATE TABLE audit (
    workspace_id    BLOB NOT NULL,
    n               INTEGER NOT NULL,
    at              INTEGER NOT NULL,
    action          TEXT NOT NULL,
    actor           BLOB,
    tool            TEXT,
    conversation_id BLOB,
    turn_id         BLOB,
    call_id         BLOB,
    approval_id     BLOB,
    salt            BLOB,
    body            TEXT,
    content_hash    BLOB NOT NULL,
    hash            BLOB NOT NULL,
    PRIMARY KEY (workspace_id, n)
) STRICT, WITHOUT ROWID;

CREATE INDEX audit_of_conversation ON audit (conversation_id) WHERE body IS NOT NULL;
CREATE INDEX audit_of_call ON audit (call_id) WHERE body IS NOT NULL;
