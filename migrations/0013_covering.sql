-- The lists of what somebody reads come from these indexes alone: a row of a table without rowids is sought for whatever an
-- index on it lacks, be it a condition that the index itself has.
DROP INDEX conversations_own;
CREATE INDEX conversations_own ON conversations (workspace_id, created_by, active_at, deleted_at)
    WHERE deleted_at IS NULL;
DROP INDEX conversations_shared;
CREATE INDEX conversations_shared ON conversations (workspace_id, active_at, visibility, deleted_at)
    WHERE deleted_at IS NULL AND visibility = 'workspace';
DROP INDEX conversations_own_forks;
CREATE INDEX conversations_own_forks ON conversations (workspace_id, created_by, origin_id, deleted_at)
    WHERE origin_id IS NOT NULL AND deleted_at IS NULL;
DROP INDEX conversations_shared_forks;
CREATE INDEX conversations_shared_forks ON conversations (workspace_id, origin_id, visibility, deleted_at)
    WHERE origin_id IS NOT NULL AND deleted_at IS NULL AND visibility = 'workspace';
