-- What a running call asks a person.
ALTER TABLE calls ADD COLUMN question TEXT;
