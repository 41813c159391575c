-- The position at which a call last changed: a fork has the calls of its origin as they were when it was made.
ALTER TABLE calls ADD COLUMN seq INTEGER NOT NULL DEFAULT 0;

-- A key goes with its turn.
CREATE INDEX idempotency_keys_of_turn ON idempotency_keys (turn_id) WHERE turn_id IS NOT NULL;
