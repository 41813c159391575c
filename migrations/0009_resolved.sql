-- What a person said of a call of which nobody knew how it ended. A turn that completed had none left.
ALTER TABLE calls ADD COLUMN resolved TEXT;
UPDATE calls SET resolved = CASE
        WHEN id IN (SELECT retry_of FROM calls WHERE retry_of IS NOT NULL) THEN 'retry'
        WHEN output IS NOT NULL THEN 'succeeded'
        ELSE 'failed' END
WHERE state = 'unknown'
  AND (output IS NOT NULL
       OR id IN (SELECT retry_of FROM calls WHERE retry_of IS NOT NULL)
       OR turn_id IN (SELECT id FROM turns WHERE state = 'completed'));
