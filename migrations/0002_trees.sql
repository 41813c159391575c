-- Forks, deleted branches, and what is said about messages.

-- Where the origin's log ended when a fork was made: what was said about its messages by then is inherited.
ALTER TABLE conversations ADD COLUMN origin_seq INTEGER;

-- The nodes of a conversation, parents before their children.
CREATE INDEX messages_by_depth ON messages (conversation_id, depth);
-- Whether anything hangs on a message or is forked off it, in whatever conversation.
CREATE INDEX messages_of_parent ON messages (parent_id);
CREATE INDEX conversations_forked_at ON conversations (fork_message_id) WHERE fork_message_id IS NOT NULL;
CREATE INDEX turns_of_input ON turns (input_id);

-- Roots of branches that their conversation no longer shows. The row goes with the last message below it;
-- `erased`: what is left is needed by forks.
CREATE TABLE deleted_branches (
    conversation_id BLOB NOT NULL,
    message_id      BLOB NOT NULL,
    depth           INTEGER NOT NULL,
    erased          INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (conversation_id, message_id)
) STRICT, WITHOUT ROWID;

-- Positions prev .. seq of a log whose content was deleted. Neighbours are one row.
CREATE TABLE redactions (
    conversation_id BLOB NOT NULL,
    prev            INTEGER NOT NULL,
    seq             INTEGER NOT NULL,
    PRIMARY KEY (conversation_id, prev)
) STRICT, WITHOUT ROWID;

-- What a conversation says about a message that it sees: `marks`, or a `compaction` of the path down to it. A row is
-- true from its position of the log on, until the next one of the same subject; without a body it takes back.
-- A fork inherits what stood at its origin when it was made, and may say otherwise.
CREATE TABLE annotations (
    conversation_id BLOB NOT NULL,
    kind            TEXT NOT NULL,
    -- The message of marks, the id of a compaction.
    subject         BLOB NOT NULL,
    seq             INTEGER NOT NULL,
    until           INTEGER,
    message_id      BLOB NOT NULL,
    body            TEXT,
    PRIMARY KEY (conversation_id, kind, subject, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX annotations_of_message ON annotations (message_id);
