-- control.db: who there is, and with which keys they come in. Ids are TypeIDs, times are milliseconds since 1970.

CREATE TABLE workspaces (
    id         TEXT    NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE users (
    id           TEXT    NOT NULL PRIMARY KEY,
    name         TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    suspended_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX users_by_name ON users (name);

CREATE TABLE memberships (
    workspace_id TEXT    NOT NULL REFERENCES workspaces (id),
    user_id      TEXT    NOT NULL REFERENCES users (id),
    role         TEXT    NOT NULL CHECK (role IN ('viewer', 'member', 'admin', 'owner')),
    created_at   INTEGER NOT NULL,
    PRIMARY KEY (workspace_id, user_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX memberships_by_user ON memberships (user_id);

-- A key lives at most as long as its user's membership. Only the hash of its text is kept.
CREATE TABLE api_keys (
    id           TEXT    NOT NULL PRIMARY KEY,
    workspace_id TEXT    NOT NULL,
    user_id      TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    prefix       TEXT    NOT NULL,
    hash         BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),
    permissions  TEXT    NOT NULL CHECK (json_valid(permissions)),
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    revoked_at   INTEGER,
    last_used_at INTEGER,
    FOREIGN KEY (workspace_id, user_id) REFERENCES memberships (workspace_id, user_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX api_keys_by_user ON api_keys (workspace_id, user_id);

-- What the first start made: the workspace and the owner that `WEIR_ROOT_KEY` stands for.
CREATE TABLE installation (
    id           INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    workspace_id TEXT    NOT NULL REFERENCES workspaces (id),
    owner_id     TEXT    NOT NULL REFERENCES users (id),
    created_at   INTEGER NOT NULL
) STRICT;
