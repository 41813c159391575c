-- The position at which a call last changed: a fork has the calls of its origin as they were when it was made.
ALTER TABLE calls ADD COLUMN seq INTEGER NOT NULL DEFAULT 0;
