-- Where people want to be written to. An address counts once its owner has named the code that was sent there.
CREATE TABLE addresses (
    user_id      TEXT    NOT NULL PRIMARY KEY,
    address      TEXT    NOT NULL,
    confirmed_at INTEGER,
    enabled      INTEGER NOT NULL,
    code         BLOB    CHECK (length(code) = 32),
    code_until   INTEGER,
    code_tries   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- An approval that a user is to be written about.
CREATE TABLE mails (
    user_id      TEXT    NOT NULL,
    approval_id  TEXT    NOT NULL,
    workspace_id TEXT    NOT NULL,
    attempts     INTEGER NOT NULL,
    next_at      INTEGER NOT NULL,
    PRIMARY KEY (user_id, approval_id)
) STRICT, WITHOUT ROWID;

-- What was written within the last hour, codes too: there is a limit to it.
CREATE TABLE sent_mails (
    user_id TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    kind    TEXT    NOT NULL CHECK (kind IN ('code', 'approvals'))
) STRICT;

CREATE INDEX sent_mails_by_user ON sent_mails (user_id, kind, at);

-- How far the feed of a workspace was read for mails.
CREATE TABLE mail_cursors (
    workspace_id TEXT    NOT NULL PRIMARY KEY,
    position     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
