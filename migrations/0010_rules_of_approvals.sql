-- A rule for certain arguments is found by the approval that it came of, and goes with it.
CREATE INDEX approval_rules_of_approval ON approval_rules (body ->> '$.approval_id');
