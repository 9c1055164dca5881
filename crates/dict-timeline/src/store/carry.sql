-- What a file takes over from the one before it, attached as `earlier`: the positions of all sources, of epochs that ended
-- the newest :ended of each alone, and of every key the newest row. Of keys that were removed only the one that is its source's newest, which says when that changed.

INSERT INTO main.source SELECT id, name FROM earlier.source;

-- Epochs beyond 2^63 stand as negative numbers.
INSERT INTO main.resume
SELECT source_id, epoch, sequence, ended, time FROM (
    SELECT *, row_number() OVER (PARTITION BY source_id, ended ORDER BY epoch >= 0, epoch DESC) AS place
    FROM earlier.resume
)
WHERE NOT ended OR place <= :ended;

CREATE TEMP TABLE newest AS
SELECT k.id AS series_id, k.source_id AS source_id, (
    SELECT c.n FROM earlier.change_row c WHERE c.series_id = k.id AND c.late = 0 ORDER BY c.n DESC LIMIT 1
) AS n
FROM earlier.series k;

CREATE INDEX temp.newest_by_source ON newest (source_id, n);

INSERT INTO main.change_row
SELECT c.series_id, c.n, c.time, c.late, c.type, c.value
FROM temp.newest w JOIN earlier.change_row c ON c.series_id = w.series_id AND c.n = w.n
WHERE c.type <> 0 OR w.n = (SELECT max(n) FROM temp.newest WHERE source_id = w.source_id)
ORDER BY w.series_id;

INSERT INTO main.series
SELECT id, source_id, key FROM earlier.series WHERE id IN (SELECT series_id FROM main.change_row);

-- The epoch that a source's newest change was of: as the record says that it stands in, or as was taken over itself.
INSERT INTO main.carried
SELECT r.source_id, r.epoch, r.sequence, r.ended, r.time, r.epoch IS (
    SELECT CASE WHEN w.n >= (SELECT first_n FROM earlier.position)
        THEN (SELECT e.epoch FROM earlier.stream e WHERE e.id =
            (SELECT stream_id FROM earlier.record WHERE n <= w.n ORDER BY n DESC LIMIT 1))
        ELSE (SELECT o.epoch FROM earlier.carried o WHERE o.source_id = r.source_id AND o.current)
    END
    FROM temp.newest w WHERE w.source_id = r.source_id ORDER BY w.n DESC LIMIT 1
)
FROM main.resume r;

-- What hubs said last of each source.
INSERT INTO main.connection
SELECT * FROM earlier.connection
WHERE n IN (SELECT max(n) FROM earlier.connection WHERE source IS NOT NULL GROUP BY source);

INSERT INTO main.stream
SELECT * FROM earlier.stream WHERE id IN (SELECT stream_id FROM main.connection);

INSERT INTO main.part SELECT * FROM earlier.part;

DROP TABLE temp.newest;
