-- How people sign in, and what they come in with afterwards. Of every secret only a hash is kept.

-- `name` is what is typed, in lower case. `password` is argon2id as a PHC string.
CREATE TABLE logins (
    user_id    TEXT    NOT NULL PRIMARY KEY REFERENCES users (id),
    name       TEXT    NOT NULL UNIQUE,
    password   TEXT    NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A code lets its user choose a name and a password, once.
CREATE TABLE setup_codes (
    hash       BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    user_id    TEXT    NOT NULL REFERENCES users (id),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at    INTEGER
) STRICT, WITHOUT ROWID;

-- A signed-in browser. It lives at most as long as its user's membership.
CREATE TABLE sessions (
    id           TEXT    NOT NULL PRIMARY KEY,
    workspace_id TEXT    NOT NULL,
    user_id      TEXT    NOT NULL,
    hash         BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    revoked_at   INTEGER,
    user_agent   TEXT,
    address      TEXT,
    FOREIGN KEY (workspace_id, user_id) REFERENCES memberships (workspace_id, user_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_by_user ON sessions (workspace_id, user_id);
