//! `dict-client watch`.

mod rows;

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use dict_cli::{RowTable, Stdout, Stop};
use dict_event_loop::client::{Client, Incoming, Watch, WatchError, WatchEvent, WatchOptions};
use dict_protocol::pattern::Pattern;
use dict_timeline::Row;
use dict_timeline::export::json;

use crate::PATIENCE;
use crate::arguments::{ConnectionArguments, WatchArguments, WatchFormat};
use rows::Rows;

/// Events between the threads that wait for them and the one that prints. While it is full they wait in the client.
const QUEUE: usize = 1_024;
/// How often it is looked whether Ctrl-C was pressed while nothing comes.
const POLL: Duration = Duration::from_millis(100);

/// What there is to print.
enum Item {
    Event(WatchEvent),
    Message(Incoming),
    /// A watch is over.
    Failed(WatchError),
}

pub(crate) fn run(connection: ConnectionArguments, arguments: &WatchArguments) -> Result<()> {
    let stop = Stop::on_interrupt()?;
    let (items, queue) = sync_channel(QUEUE);
    let client = connection.connect()?;
    if arguments.messages {
        let items = items.clone();
        client.on_message(move |message| drop(items.send(Item::Message(message.clone()))))?;
    }
    let patterns: Arc<[Pattern]> = arguments.patterns().into();
    let options = WatchOptions { mode: arguments.mode.into(), ..WatchOptions::default() };
    for place in 0..patterns.len() {
        let watch = client.watch(patterns[place].clone(), options)?;
        let (items, patterns) = (items.clone(), patterns.clone());
        let work = move || pass_on(&watch, &patterns[..place], &items);
        thread::Builder::new().name("watch".to_owned()).spawn(work).context("cannot start a thread")?;
    }
    print(&client, &queue, &stop, arguments)?;
    // Who still waits to pass something on is let go.
    drop(queue);
    client.close(PATIENCE);
    Ok(())
}

/// Passes on what a watch tells of sources that none of the patterns `before` it is about.
fn pass_on(watch: &Watch, before: &[Pattern], items: &SyncSender<Item>) {
    loop {
        let item = match watch.next(Duration::MAX) {
            Ok(Some(event))
                if before.iter().any(|pattern| about(&event).is_some_and(|name| pattern.matches(name))) =>
            {
                continue;
            }
            Ok(Some(event)) => Item::Event(event),
            Ok(None) => continue,
            Err(error) => Item::Failed(error),
        };
        let failed = matches!(item, Item::Failed(_));
        if items.send(item).is_err() || failed {
            return;
        }
    }
}

/// The source that an event is about.
fn about(event: &WatchEvent) -> Option<&str> {
    match event {
        WatchEvent::Source(source) => Some(&source.name),
        WatchEvent::State(state) => Some(&state.source),
        WatchEvent::Update(update) => Some(&update.source),
        WatchEvent::Missed { source, .. } => Some(source),
        _ => None,
    }
}

/// Prints until Ctrl-C, or until there are as many lines as were asked for.
fn print(client: &Client, queue: &Receiver<Item>, stop: &Stop, arguments: &WatchArguments) -> Result<()> {
    let mut out = Stdout::new();
    let mut printer = Printer::new(arguments.format, arguments.count);
    let mut rows = Rows::new(client);
    loop {
        let item = match queue.recv_timeout(POLL) {
            Ok(item) => item,
            Err(_) if stop.within(Duration::ZERO) => return Ok(()),
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        // What is there already is printed together, so that it is aligned and written at once.
        for item in [item].into_iter().chain(queue.try_iter().take(QUEUE)) {
            match item {
                Item::Event(event) => rows.event(event, &mut |row| printer.add(row, &mut out))?,
                Item::Message(message) => printer.add(&rows.message(message), &mut out)?,
                Item::Failed(WatchError::Closed(_)) => {}
                Item::Failed(error) => return Err(error.into()),
            }
        }
        printer.flush(&mut out)?;
        if printer.left == Some(0) || stop.within(Duration::ZERO) {
            return Ok(());
        }
    }
}

/// Prints rows in one of the formats, no more than were asked for.
struct Printer {
    table: Option<RowTable>,
    line: String,
    left: Option<u64>,
}

impl Printer {
    fn new(format: WatchFormat, count: Option<u64>) -> Self {
        let table = match format {
            WatchFormat::Table => Some(RowTable::new(false)),
            WatchFormat::Jsonl => None,
        };
        Self { table, line: String::new(), left: count }
    }

    fn add(&mut self, row: &Row, out: &mut Stdout) -> io::Result<()> {
        match &mut self.left {
            Some(0) => return Ok(()),
            Some(left) => *left -= 1,
            None => {}
        }
        if let Some(table) = &mut self.table {
            table.add(row);
            return Ok(());
        }
        self.line.clear();
        json::write_row(row, &mut self.line);
        self.line.push('\n');
        out.write_all(self.line.as_bytes())
    }

    fn flush(&mut self, out: &mut Stdout) -> io::Result<()> {
        if let Some(table) = &mut self.table {
            table.write(out)?;
        }
        out.flush()
    }
}
