-- What a running call said last of how far it has come.
ALTER TABLE calls ADD COLUMN progress TEXT;

-- Yeses that people gave for the next times too. `body` is the whole rule as people see it.
CREATE TABLE approval_rules (
    id              BLOB NOT NULL PRIMARY KEY,
    workspace_id    BLOB NOT NULL,
    tool            TEXT NOT NULL,
    -- Where it holds in one conversation only.
    conversation_id BLOB,
    made_by         BLOB NOT NULL,
    body            TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX approval_rules_of_tool ON approval_rules (workspace_id, tool);
CREATE INDEX approval_rules_of_conversation ON approval_rules (conversation_id) WHERE conversation_id IS NOT NULL;

-- What agents noted about people, for later conversations.
CREATE TABLE memories (
    id           BLOB NOT NULL PRIMARY KEY,
    workspace_id BLOB NOT NULL,
    user_id      BLOB NOT NULL,
    agent        TEXT NOT NULL,
    text         TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX memories_of_user ON memories (workspace_id, user_id, agent);

-- The conversation in which another agent works on the call; and of such a conversation, the call that it works for.
ALTER TABLE calls ADD COLUMN child_id BLOB;
ALTER TABLE conversations ADD COLUMN parent TEXT;
CREATE INDEX conversations_working_for_others ON conversations (id) WHERE parent IS NOT NULL AND deleted_at IS NULL;
