-- Files: what is known of each, and what uses it. The contents are blobs beside the database, named by their hash.

CREATE TABLE files (
    id           BLOB NOT NULL PRIMARY KEY,
    workspace_id BLOB NOT NULL,
    -- Absent: a tool made it.
    uploaded_by  BLOB,
    name         TEXT NOT NULL,
    media_type   TEXT NOT NULL,
    size         INTEGER NOT NULL,
    sha256       BLOB NOT NULL,
    created_at   INTEGER NOT NULL,
    -- Its uploader let go of it; it stays for as long as it is used.
    released     INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE INDEX files_of_user ON files (workspace_id, uploaded_by, id) WHERE uploaded_by IS NOT NULL;
CREATE INDEX files_of_content ON files (sha256);

-- What the files of a workspace, and of each of its users, take up. `owner` is a user, or the workspace itself.
CREATE TABLE file_totals (
    workspace_id BLOB NOT NULL,
    owner        BLOB NOT NULL,
    files        INTEGER NOT NULL,
    bytes        INTEGER NOT NULL,
    PRIMARY KEY (workspace_id, owner)
) STRICT, WITHOUT ROWID;

-- Files of messages, also of those that still wait in the queue.
CREATE TABLE file_uses (
    message_id      BLOB NOT NULL,
    file_id         BLOB NOT NULL,
    conversation_id BLOB NOT NULL,
    PRIMARY KEY (message_id, file_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX file_uses_of_file ON file_uses (file_id);
CREATE INDEX file_uses_of_conversation ON file_uses (conversation_id);

-- The files of a conversation. A row is what a call made of a path at its position of the log; without a file, nothing
-- is there any more. The newest counts; a fork reads what stood at its fork point.
CREATE TABLE conversation_files (
    conversation_id BLOB NOT NULL,
    path            TEXT NOT NULL,
    seq             INTEGER NOT NULL,
    -- The message whose call it was.
    message_id      BLOB NOT NULL,
    file_id         BLOB,
    PRIMARY KEY (conversation_id, path, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX conversation_files_of_file ON conversation_files (file_id) WHERE file_id IS NOT NULL;
CREATE INDEX conversation_files_of_message ON conversation_files (message_id);
