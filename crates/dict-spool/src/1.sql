-- Schema version 1. Unsigned numbers of 64 bits stand as signed ones of the same bits.

CREATE TABLE client (
    id              INTEGER PRIMARY KEY CHECK (id = 1),
    client_id       BLOB NOT NULL
) STRICT;

CREATE TABLE source (
    id              INTEGER PRIMARY KEY,
    name            TEXT NOT NULL UNIQUE,
    bookmark        BLOB NOT NULL
) STRICT;

CREATE TABLE epoch (
    id              INTEGER PRIMARY KEY,
    source_id       INTEGER NOT NULL REFERENCES source (id),
    number          INTEGER NOT NULL,
    previous        INTEGER NOT NULL,
    ended           INTEGER NOT NULL,
    acknowledged    INTEGER NOT NULL,
    evicted         INTEGER NOT NULL,
    stated_first    INTEGER,
    stated_last     INTEGER,
    lost            INTEGER NOT NULL,
    loss_since      INTEGER,
    UNIQUE (source_id, number)
) STRICT;

-- The dictionary as of the last update that left.
CREATE TABLE base (
    epoch_id        INTEGER PRIMARY KEY REFERENCES epoch (id),
    sequence        INTEGER NOT NULL,
    time            INTEGER NOT NULL,
    crc             INTEGER NOT NULL,
    dictionary      BLOB NOT NULL
) STRICT;

CREATE TABLE update_row (
    epoch_id        INTEGER NOT NULL REFERENCES epoch (id),
    sequence        INTEGER NOT NULL,
    time            INTEGER NOT NULL,
    ended           INTEGER NOT NULL,
    crc             INTEGER NOT NULL,
    patch           BLOB NOT NULL,
    PRIMARY KEY (epoch_id, sequence)
) STRICT, WITHOUT ROWID;
