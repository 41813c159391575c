-- What in the policy let a call run, asked about it or denied it; and the unknown call that it does again.
ALTER TABLE calls ADD COLUMN rule TEXT;
ALTER TABLE calls ADD COLUMN retry_of BLOB;

-- Durable questions about calls. `body` is the whole approval as people see it.
CREATE TABLE approvals (
    id              BLOB NOT NULL PRIMARY KEY,
    workspace_id    BLOB NOT NULL,
    conversation_id BLOB NOT NULL,
    call_id         BLOB NOT NULL,
    tool            TEXT NOT NULL,
    agent           TEXT NOT NULL,
    state           TEXT NOT NULL,
    required_role   TEXT,
    requested_at    INTEGER NOT NULL,
    body            TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The queue, oldest first: an id is made when its approval is.
CREATE INDEX approvals_queue ON approvals (workspace_id, state, id);
CREATE INDEX approvals_of_call ON approvals (call_id);
CREATE INDEX approvals_of_conversation ON approvals (conversation_id, id);
