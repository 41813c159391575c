-- How often it has changed which conversations somebody made, or, where nobody is named, which ones a whole workspace
-- reads: search keeps the lists for as long as these numbers stay.
CREATE TABLE reaches (
    workspace_id BLOB NOT NULL,
    -- Empty: the workspace.
    user_id      BLOB NOT NULL,
    changes      INTEGER NOT NULL,
    PRIMARY KEY (workspace_id, user_id)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER conversation_reached AFTER INSERT ON conversations BEGIN
    INSERT INTO reaches VALUES (NEW.workspace_id, NEW.created_by, 1)
        ON CONFLICT DO UPDATE SET changes = changes + 1;
    INSERT INTO reaches SELECT NEW.workspace_id, x'', 1 WHERE NEW.visibility = 'workspace'
        ON CONFLICT DO UPDATE SET changes = changes + 1;
END;

CREATE TRIGGER conversation_reached_otherwise AFTER UPDATE OF visibility, deleted_at ON conversations
WHEN OLD.visibility IS NOT NEW.visibility OR OLD.deleted_at IS NOT NEW.deleted_at BEGIN
    INSERT INTO reaches VALUES (NEW.workspace_id, NEW.created_by, 1), (NEW.workspace_id, x'', 1)
        ON CONFLICT DO UPDATE SET changes = changes + 1;
END;

CREATE TRIGGER conversation_reached_no_more AFTER DELETE ON conversations BEGIN
    INSERT INTO reaches VALUES (OLD.workspace_id, OLD.created_by, 1), (OLD.workspace_id, x'', 1)
        ON CONFLICT DO UPDATE SET changes = changes + 1;
END;
