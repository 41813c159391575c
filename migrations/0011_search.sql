-- What the search index has yet to be told of. Which text is in it, and who may see it, is asked of the other tables.
CREATE TABLE search_changes (
    position INTEGER NOT NULL PRIMARY KEY,
    kind     TEXT NOT NULL,
    subject  BLOB NOT NULL
) STRICT;

-- Whoever reads a fork may find what it has from its origin.
CREATE INDEX conversations_own_forks ON conversations (workspace_id, created_by)
    WHERE origin_id IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX conversations_shared_forks ON conversations (workspace_id)
    WHERE origin_id IS NOT NULL AND deleted_at IS NULL AND visibility = 'workspace';
