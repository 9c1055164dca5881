//! Dictwire's timeline: the one ordered, durable record of updates, messages, requests, connections, clocks and gaps,
//! in one SQLite file, or a folder of them, that people can read with whatever they like.
//!
//! One process writes it, through [`Timeline`] or, in groups of commits on a thread of its own, through [`Committer`];
//! any number read it meanwhile through [`Reader`]. What goes in are the batches of
//! [`dict_protocol::record`]; what comes out are [`Row`]s, and [`export`] turns those into JSON Lines and CSV. This
//! crate opens no sockets and reads no clock but to group commits; when something is to be stored is its caller's
//! business.
//!
//! ```
//! use dict_protocol::change;
//! use dict_protocol::dictionary;
//! use dict_protocol::record::{Batch, Entry, EntryKind, Stamp, Stream};
//! use dict_protocol::time::Time;
//! use dict_timeline::{Filter, Options, Reader, Timeline};
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("timeline.db");
//!
//! let mut batch = Batch::default();
//! let psu = Stream { index: 0, hub: "lab".into(), source: "bench1/psu".into(), epoch: 1 };
//! batch.streams.push(psu);
//! change::write_whole(&dictionary! { "voltage" => 12.5, "on" => true }, 128, &mut batch.bytes)?;
//! let time = Time::from_nanos(1_795_255_200_000_000_000);
//! batch.entries.push(Entry {
//!     stream: 0,
//!     kind: EntryKind::Update,
//!     sequence: 1,
//!     time,
//!     stamp: Stamp { hub_time: time, writer_time: time, offset: 0, uncertainty: None },
//!     replayed: false,
//!     late: false,
//!     body: 0..batch.bytes.len(),
//! });
//!
//! let mut timeline = Timeline::create_or_open(&path, Options::default())?;
//! timeline.append(&[batch])?; // on the disk when this returns
//!
//! let reader = Reader::open(&path)?; // in any process
//! for row in reader.rows(&Filter::default())? {
//!     println!("{:?}", row?.content);
//! }
//! assert_eq!(reader.state(None, &[])?[0].values["voltage"].as_f64(), Some(12.5));
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is promised
//!
//! - What [`Timeline::append`] returned for, or [`Committer::committed`] gave back, is on the disk: the write-ahead log
//!   was synced. A log that is cut anywhere loses whole commits from its end and nothing else.
//! - A sync that failed is never tried again; see [`Error`] and [`Timeline::append`]. A full disk stores nothing, harms
//!   nothing, and can be tried again.
//! - One writer: a second one is refused ([`Error::Locked`]) by a lock of the operating system on the file `PATH.lock`,
//!   or in a folder `timeline.lock`, which stays when it is not held. A file of another program is refused before anything in it is touched, one with a
//!   newer schema is not changed, and on file systems known to be shared between machines none is made.
//! - Readers never make a file at a path where there is none, hold no transaction longer than a slice of rows takes, and
//!   see everything that is committed.
//!
//! # Numbers
//!
//! Each row has a number `n` of its own, given at commit: the order of the timeline. An update is one **record**; its
//! number is that of its first row, and it takes as many as it has rows: one for a gap that it stands in for, one for
//! each key that vanished, one for each key removed, one for each key set, in this order. A record without any takes one
//! number all the same, which then no row has. So `n` rises and never repeats, and leaves out a number now and then.
//!
//! # State
//!
//! The value of a key at a row is that of its newest row, by number, up to there, unless that is `late`. For this to
//! hold, an update that states a whole dictionary (the first of an epoch, or a State in place of missing updates) has a
//! row for each key that it states, changed or not, and a *removed* row for each key that had a value and is not
//! stated. A row is **late** if it came when its source had gone on to a later epoch already: it is history, and changes
//! no state.
//!
//! # A folder of files
//!
//! With [`Options::rotate`] the path is a folder, in which a file follows another after each such time or size. Their
//! names sort by when they were begun, `2026-11-21T10-00-00Z.db`, and what else is in the folder is left alone. Numbers
//! go on from file to file, and [`Reader`] reads them as one.
//!
//! - Each file begins with every key's value and every source's position, so it can be read alone, for any time within
//!   it, and a writer goes on with the newest alone. What a file took over stands before its first number, and no reader
//!   takes it for rows of its own.
//! - Of a source's epochs that ended, a file takes over how far the newest 1,000 are held, and of all that did not end. So
//!   programs that publish once and end, however often, leave no more than that behind when their rows are removed. What
//!   is sent again of an epoch that ended before those 1,000 is stored a second time, as late. Epochs that never ended are
//!   known for ever, as a rest of them may come; and a timeline of one file, like a logger as long as it runs, knows every
//!   epoch that it ever met.
//! - A file is made aside, and on the disk in whole, before it gets its name and takes its first row; the change is made
//!   between two groups of commits. A crash at any step loses and doubles nothing.
//! - [`Options::keep`] removes whole files, the oldest first and never the newest. A file's age is that of the one after
//!   it, since by then it had all its rows. A clock that is wrong for less than an hour removes nothing. Up to which number rows were removed is in the newest file before they are.
//! - A folder is written as a folder, with or without these options; then without them in its newest file. A plain file
//!   never becomes a folder: to go on with one, move it into a folder under a name as above.
//! - The newest file has a catalogue of the others with their numbers and times, so that a reader opens only those that
//!   it needs.
//!
//! # The file, for `sqlite3`, pandas and Grafana
//!
//! Two views are made for reading:
//!
//! | view | columns |
//! |---|---|
//! | `changes` | `n`, `time` (RFC 3339, UTC), `time_ns`, `source`, `key`, `type`, `value`, `hub`, `epoch`, `sequence`, `writer_time_ns`, `offset_ns`, `uncertainty_ns`, `replayed`, `late` |
//! | `timeline` | `n`, `time`, `time_ns`, `kind`, `source`, `key`, `type`, `value`: rows of all kinds; for other kinds than `change` these columns hold what comes closest |
//!
//! In a file of a folder they show its own rows. A third view, `beginning`, has what it took over from the one before:
//! `n`, `time_ns`, `source`, `key`, `type`, `value`.
//!
//! `type` is `removed`, `null`, `boolean`, `integer`, `float`, `text`, `binary`, `list` or `dictionary`. `value` is
//! null for `removed`, `null`, and for a float that is NaN; 0 or 1 for a boolean; text for an integer beyond 64 bits;
//! JSON text in the `$` form for lists and dictionaries ([`dict_protocol::encoding::tagged`]).
//!
//! ```sql
//! -- One key's history: fast however large the file is.
//! SELECT time, value FROM changes WHERE source = 'bench1/psu' AND key = 'voltage' ORDER BY n;
//!
//! -- Every source's keys with their newest values.
//! SELECT source, key, value, max(n) FROM changes WHERE NOT late GROUP BY source, key;
//!
//! -- What happened in a quarter of an hour. The spans turn the time into numbers first, so that only those are read.
//! SELECT * FROM timeline
//! WHERE n >= (SELECT min(first_n) FROM span WHERE time_max >= unixepoch('2026-11-21 10:00') * 1000000000)
//!   AND n <= (SELECT max(last_n) FROM span WHERE time_min < unixepoch('2026-11-21 10:15') * 1000000000)
//!   AND time >= '2026-11-21T10:00' AND time < '2026-11-21T10:15'
//! ORDER BY n;
//! ```
//!
//! With pandas: `pandas.read_sql("SELECT time, value FROM changes WHERE ...", sqlite3.connect("file:timeline.db?mode=ro",
//! uri=True), parse_dates=["time"])`. In Grafana's SQLite plug-in take `time_ns / 1000000000.0 AS time`. Keep such
//! connections from holding a transaction open for hours: the writer's log cannot begin anew meanwhile, and it says so.
//!
//! Under load the view `changes` may be some seconds behind, since the table below it is filled in larger parts then
//! (see `position`); this crate's own [`Reader`] is not.
//!
//! ## The tables
//!
//! | table | a row is | columns |
//! |---|---|---|
//! | `source` | a source | `id`, `name` |
//! | `series` | a key of a source | `id`, `source_id`, `key` |
//! | `stream` | an epoch of a source, through one hub | `id`, `source_id`, `epoch`, `hub`, `crc` (of the source's name and these two; null: not known) |
//! | `resume` | how far an epoch is held | `source_id`, `epoch`, `sequence`, `ended`, `time` (of the last row); in the same transaction as the records |
//! | `record` | an update as it came: all else is made of these | `n`, `rows` (numbers it takes), `kind` (1 update, 2 end, 3 state, 4 gap, 5 unreadable), `flags` (1 replayed, 2 late), `stream_id`, `sequence`, `time`, `hub_time` (null: the same), `writer_time`, `offset`, `uncertainty`, `context` (what is missing and which keys vanished, MessagePack), `crc`, `body` (MessagePack as it came) |
//! | `change_row` | a change, ordered by key; those before `first_n` were taken over | `series_id`, `n`, `time`, `late`, `type` (of table `type`), `value` |
//! | `message` | a message | `n`, `time`, `stream_id`, `from`, `to`, `encoding`, `type`, `value` |
//! | `request` | a request | `n`, `time`, `stream_id`, `id`, `from`, `to`, `action`, `type`, `value`, `outcome`, `result_type`, `result`, `duration_ns` |
//! | `connection` | a client or source that came or went | `n`, `time`, `stream_id`, `event`, `client`, `address`, `product`, `source`, `reason` |
//! | `clock` | a clock that was compared | `n`, `time`, `stream_id`, `client`, `offset_ns`, `uncertainty_ns` |
//! | `gap` | updates that are missing | `n`, `time`, `stream_id`, `epoch`, `first_sequence`, `last_sequence`, `to_epoch`, `to_sequence`, `reason` (of table `reason`), `since` |
//! | `note` | a remark or alarm | `n`, `time`, `stream_id`, `event`, `from`, `text` |
//! | `span` | a few thousand numbers | `first_n`, `last_n`, `time_min`, `time_max`, `changes` |
//! | `position` | the only row | `first_n` (where numbering began), `derived_n` (of the numbers from here on, `change_row` may not have all), `pruned_n` (rows up to here were removed with their files), `carried_crc` (of the rows of `change_row` before `first_n`), `next` (the file of the folder that goes on with this one) |
//! | `carried` | how far an epoch was held when the file began | `source_id`, `epoch`, `sequence`, `ended`, `time`, `current` (the source's newest change was of it) |
//! | `part` | a file of the folder before this one | `first_n`, `last_n`, `name`, `time_min`, `time_max` |
//! | `type`, `reason` | a name for a number | `id`, `name` |
//!
//! All times are nanoseconds since 1970 UTC, without leap seconds. Unsigned 64-bit numbers (epochs, sequences) stand as
//! SQLite's signed ones, so that beyond 2^63 they show as negative. Later versions may add tables, and columns after the
//! last; `user_version` is the schema's, `application_id` is "dtwr".
//!
//! The fields that rows of each kind have as JSON and CSV stand in [`export::json`]; those of a hub's events, which
//! become rows of the kinds `message` to `note`, in [`row`].
#![forbid(unsafe_code)]

mod carried;
mod column;
mod committer;
mod error;
mod event;
pub mod export;
mod filter;
mod folder;
mod lock;
mod place;
mod reader;
mod record;
pub mod row;
mod schema;
mod settings;
mod store;
mod tables;

pub use committer::{CommitOptions, Committer, Outage, Refused};
pub use error::{Error, Result};
pub use filter::{Filter, Limit};
pub use folder::foreign;
pub use reader::{Finding, Follow, Growth, Info, Progress, Reader, Rows, SourceInfo, Stage, State};
pub use row::{Content, Kind, Row};
pub use store::{Amount, Options, Timeline};
