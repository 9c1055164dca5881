-- Schema version 1. What each table and column means stands in the crate's documentation.

CREATE TABLE source (
    id          INTEGER PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE series (
    id          INTEGER PRIMARY KEY,
    source_id   INTEGER NOT NULL REFERENCES source (id),
    key         TEXT NOT NULL,
    UNIQUE (source_id, key)
) STRICT;

CREATE TABLE stream (
    id          INTEGER PRIMARY KEY,
    source_id   INTEGER NOT NULL REFERENCES source (id),
    epoch       INTEGER NOT NULL,
    hub         TEXT NOT NULL,
    UNIQUE (source_id, epoch, hub)
) STRICT;

CREATE TABLE resume (
    source_id   INTEGER NOT NULL REFERENCES source (id),
    epoch       INTEGER NOT NULL,
    sequence    INTEGER NOT NULL,
    ended       INTEGER NOT NULL,
    time        INTEGER NOT NULL,
    PRIMARY KEY (source_id, epoch)
) STRICT, WITHOUT ROWID;

CREATE TABLE record (
    n           INTEGER PRIMARY KEY,
    rows        INTEGER NOT NULL,
    kind        INTEGER NOT NULL,
    flags       INTEGER NOT NULL,
    stream_id   INTEGER NOT NULL REFERENCES stream (id),
    sequence    INTEGER NOT NULL,
    time        INTEGER NOT NULL,
    hub_time    INTEGER,
    writer_time INTEGER NOT NULL,
    offset      INTEGER NOT NULL,
    uncertainty INTEGER,
    context     BLOB,
    crc         INTEGER NOT NULL,
    body        BLOB NOT NULL
) STRICT;

CREATE TABLE change_row (
    series_id   INTEGER NOT NULL,
    n           INTEGER NOT NULL,
    time        INTEGER NOT NULL,
    late        INTEGER NOT NULL,
    type        INTEGER NOT NULL,
    value       ANY,
    PRIMARY KEY (series_id, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE gap (
    n               INTEGER PRIMARY KEY,
    time            INTEGER NOT NULL,
    stream_id       INTEGER NOT NULL REFERENCES stream (id),
    epoch           INTEGER NOT NULL,
    first_sequence  INTEGER NOT NULL,
    last_sequence   INTEGER,
    to_epoch        INTEGER,
    to_sequence     INTEGER,
    reason          INTEGER NOT NULL,
    since           INTEGER
) STRICT;

CREATE TABLE message (
    n           INTEGER PRIMARY KEY,
    time        INTEGER NOT NULL,
    stream_id   INTEGER NOT NULL REFERENCES stream (id),
    "from"      TEXT,
    "to"        TEXT,
    encoding    TEXT,
    type        INTEGER NOT NULL,
    value       ANY
) STRICT;

CREATE TABLE request (
    n           INTEGER PRIMARY KEY,
    time        INTEGER NOT NULL,
    stream_id   INTEGER NOT NULL REFERENCES stream (id),
    id          INTEGER,
    "from"      TEXT,
    "to"        TEXT,
    action      TEXT,
    type        INTEGER NOT NULL,
    value       ANY,
    outcome     TEXT,
    result_type INTEGER NOT NULL,
    result      ANY,
    duration_ns INTEGER
) STRICT;

CREATE TABLE connection (
    n           INTEGER PRIMARY KEY,
    time        INTEGER NOT NULL,
    stream_id   INTEGER NOT NULL REFERENCES stream (id),
    event       TEXT NOT NULL,
    client      TEXT,
    address     TEXT,
    product     TEXT,
    source      TEXT,
    reason      TEXT
) STRICT;

CREATE INDEX connection_by_source ON connection (source, n) WHERE source IS NOT NULL;

CREATE TABLE clock (
    n               INTEGER PRIMARY KEY,
    time            INTEGER NOT NULL,
    stream_id       INTEGER NOT NULL REFERENCES stream (id),
    client          TEXT,
    offset_ns       INTEGER,
    uncertainty_ns  INTEGER
) STRICT;

CREATE TABLE note (
    n           INTEGER PRIMARY KEY,
    time        INTEGER NOT NULL,
    stream_id   INTEGER NOT NULL REFERENCES stream (id),
    event       TEXT NOT NULL,
    "from"      TEXT,
    text        TEXT NOT NULL
) STRICT;

CREATE TABLE span (
    first_n     INTEGER PRIMARY KEY,
    last_n      INTEGER NOT NULL,
    time_min    INTEGER NOT NULL,
    time_max    INTEGER NOT NULL,
    changes     INTEGER NOT NULL
) STRICT;

-- One row: how far the tables that are clustered by key have been filled, where the numbering began, up to where rows
-- were removed with their files, and a checksum of the changes that were carried over from the file before.
CREATE TABLE position (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    first_n     INTEGER NOT NULL,
    derived_n   INTEGER NOT NULL,
    pruned_n    INTEGER NOT NULL,
    carried_crc INTEGER NOT NULL
) STRICT;

INSERT INTO position (id, first_n, derived_n, pruned_n, carried_crc) VALUES (1, 1, 1, 0, 0);

-- How far each epoch was held when this file began, and whether it is the one that its source's newest change was of.
CREATE TABLE carried (
    source_id   INTEGER NOT NULL REFERENCES source (id),
    epoch       INTEGER NOT NULL,
    sequence    INTEGER NOT NULL,
    ended       INTEGER NOT NULL,
    time        INTEGER NOT NULL,
    current     INTEGER NOT NULL,
    PRIMARY KEY (source_id, epoch)
) STRICT, WITHOUT ROWID;

-- The files of the same folder before this one.
CREATE TABLE part (
    first_n     INTEGER PRIMARY KEY,
    last_n      INTEGER NOT NULL,
    name        TEXT NOT NULL UNIQUE,
    time_min    INTEGER NOT NULL,
    time_max    INTEGER NOT NULL
) STRICT;

-- What the numbers in the columns `type`, `result_type` and `reason` mean.
CREATE TABLE type (
    id          INTEGER PRIMARY KEY,
    name        TEXT NOT NULL
) STRICT;

INSERT INTO type (id, name) VALUES
    (0, 'removed'), (1, 'null'), (2, 'boolean'), (3, 'integer'), (4, 'float'),
    (5, 'text'), (6, 'binary'), (7, 'list'), (8, 'dictionary');

CREATE TABLE reason (
    id          INTEGER PRIMARY KEY,
    name        TEXT NOT NULL
) STRICT;

INSERT INTO reason (id, name) VALUES
    (1, 'spool full'), (2, 'before this logger'), (3, 'not kept by the writer'),
    (4, 'the epoch ended unseen'), (5, 'link lost'), (6, 'unreadable');

-- Both views show the rows of this file alone, and leave out what was carried over from the file before.
-- Nanoseconds since 1970 as RFC 3339 text, in UTC: written out in each view, since a view can call no function of ours.
-- Of negative times, too, the fraction counts upwards from the second before.

CREATE VIEW changes AS
SELECT
    c.n AS n,
    strftime('%Y-%m-%dT%H:%M:%S', (c.time - (c.time % 1000000000 + 1000000000) % 1000000000) / 1000000000, 'unixepoch')
        || printf('.%09dZ', (c.time % 1000000000 + 1000000000) % 1000000000) AS time,
    c.time AS time_ns,
    s.name AS source,
    k.key AS key,
    t.name AS type,
    c.value AS value,
    e.hub AS hub,
    e.epoch AS epoch,
    r.sequence AS sequence,
    r.writer_time AS writer_time_ns,
    r.offset AS offset_ns,
    r.uncertainty AS uncertainty_ns,
    r.flags & 1 AS replayed,
    c.late AS late
FROM source s
CROSS JOIN series k ON k.source_id = s.id
CROSS JOIN change_row c ON c.series_id = k.id
    AND c.n >= (SELECT first_n FROM position) AND c.n < (SELECT derived_n FROM position)
LEFT JOIN type t ON t.id = c.type
LEFT JOIN record r ON r.n = (SELECT max(n) FROM record WHERE n <= c.n)
LEFT JOIN stream e ON e.id = r.stream_id;

CREATE VIEW timeline AS
SELECT
    row.n AS n,
    strftime('%Y-%m-%dT%H:%M:%S',
        (row.time - (row.time % 1000000000 + 1000000000) % 1000000000) / 1000000000, 'unixepoch')
        || printf('.%09dZ', (row.time % 1000000000 + 1000000000) % 1000000000) AS time,
    row.time AS time_ns,
    row.kind AS kind,
    row.source AS source,
    row.key AS key,
    row.type AS type,
    row.value AS value
FROM (
    SELECT c.n, c.time, 'change' AS kind, s.name AS source, k.key AS key, t.name AS type, c.value AS value
    FROM source s
    CROSS JOIN series k ON k.source_id = s.id
    CROSS JOIN change_row c ON c.series_id = k.id
        AND c.n >= (SELECT first_n FROM position) AND c.n < (SELECT derived_n FROM position)
    LEFT JOIN type t ON t.id = c.type
    UNION ALL
    SELECT m.n, m.time, 'message', m."from", m."to", t.name, m.value
    FROM message m LEFT JOIN type t ON t.id = m.type
    UNION ALL
    SELECT q.n, q.time, 'request', q."from", q.action, t.name, q.value
    FROM request q LEFT JOIN type t ON t.id = q.type
    UNION ALL
    SELECT o.n, o.time, 'connection', coalesce(o.client, o.source), o.event, NULL, coalesce(o.reason, o.address)
    FROM connection o WHERE o.n >= (SELECT first_n FROM position)
    UNION ALL
    SELECT l.n, l.time, 'clock', l.client, 'offset_ns', 'integer', l.offset_ns FROM clock l
    UNION ALL
    SELECT g.n, g.time, 'gap', s.name, NULL, NULL,
        printf('epoch %d from sequence %d to %s: %s', g.epoch, g.first_sequence, coalesce(g.last_sequence, '?'), w.name)
    FROM gap g JOIN stream e ON e.id = g.stream_id JOIN source s ON s.id = e.source_id
    LEFT JOIN reason w ON w.id = g.reason
    UNION ALL
    SELECT a.n, a.time, 'note', a."from", a.event, 'text', a.text FROM note a
) row;

-- Every key's value as it was when this file began.
CREATE VIEW beginning AS
SELECT c.n AS n, c.time AS time_ns, s.name AS source, k.key AS key, t.name AS type, c.value AS value
FROM change_row c
JOIN series k ON k.id = c.series_id
JOIN source s ON s.id = k.source_id
LEFT JOIN type t ON t.id = c.type
WHERE c.n < (SELECT first_n FROM position) AND c.type <> 0;
