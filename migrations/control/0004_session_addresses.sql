-- Where somebody signed in from before, looked up at each try with a password.
CREATE INDEX sessions_by_address ON sessions (user_id, address);
