-- Whom the queue shows an approval to: a role; where it asks for none, `workspace` if its conversation is shared, and
-- else the hex of the user id of whoever made the conversation. Each audience is a walk of an index of its own, so that
-- nobody pays for what only others are shown.
ALTER TABLE approvals ADD COLUMN audience TEXT;
UPDATE approvals SET audience = coalesce(required_role, (
    SELECT CASE c.visibility WHEN 'workspace' THEN 'workspace' ELSE hex(c.created_by) END
    FROM conversations c WHERE c.id = approvals.conversation_id));

DROP INDEX approvals_queue;
CREATE INDEX approvals_queue ON approvals (workspace_id, state, audience, id);
CREATE INDEX approvals_of_tool ON approvals (workspace_id, state, audience, tool, id);
CREATE INDEX approvals_of_agent ON approvals (workspace_id, state, audience, agent, id);
