-- Label sets and references of servers that share a database; a server with a database of its own keeps them in files.
CREATE TABLE named (
    -- `labelset` or `reference`.
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    -- Another one for each PUT.
    stamp TEXT NOT NULL,
    -- What was put, and what models computed from it, as JSON.
    body TEXT NOT NULL,
    PRIMARY KEY (kind, name)
);
