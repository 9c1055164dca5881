//! A program that writes a source.

use dict_protocol::packet::{Level, Outcome};
use dict_protocol::session::{Session, WriterId};
use dict_protocol::time::Now;
use dict_protocol::value::{Dictionary, Value};
use dict_protocol::writer::{Phase, PublishError, WhenFull, WriterChange};
use fastrand::Rng;

use super::journal::Epoch;
use super::notes::Notes;
use super::plan::{WriterPlan, pick};

/// So many older epochs stay in a spool in memory.
const SPOOLED_EPOCHS: usize = 4;

/// The writer's side of one source.
#[derive(Debug)]
pub(super) struct Writer {
    /// What it is to do.
    pub(super) plan: WriterPlan,
    id: WriterId,
    /// The dictionary as of the last update.
    content: Dictionary,
    /// The number of its epoch.
    epoch: u64,
    /// What was published in it.
    journal: Epoch,
    /// A hub has accepted that epoch: it is in the journal of all, and updates of it may have been sent.
    accepted: bool,
    /// Something of that epoch is acknowledged.
    acknowledged: bool,
    /// Older epochs that were published in, each with what was.
    former: Vec<(u64, Epoch)>,
}

impl Writer {
    /// Begins to write.
    pub(super) fn new(plan: WriterPlan, session: &mut Session, now: Now) -> Self {
        let id = session.add_writer(now, &plan.source, plan.options).expect("its name is a name");
        let epoch = session.writer(id).expect("it was just added").epoch();
        let journal = Epoch::new();
        let (content, former) = (Dictionary::new(), Vec::new());
        Self { plan, id, content, epoch, journal, accepted: false, acknowledged: false, former }
    }

    /// Whether it publishes no more, unless it begins again.
    pub(super) fn is_over(&self, session: &Session) -> bool {
        let writer = session.writer(self.id).expect("it is never removed");
        writer.is_ended() || matches!(writer.phase(), Phase::Refused(_) | Phase::Replaced)
    }

    /// Whether it is the source's writer, and all it has to say is held.
    pub(super) fn is_settled(&self, session: &Session, expects_logged: bool) -> bool {
        let writer = session.writer(self.id).expect("it is never removed");
        let is_held = match writer.level() {
            Some(Level::Logged) => !expects_logged || writer.unacknowledged() == 0,
            _ => writer.unacknowledged() == 0,
        };
        *writer.phase() == Phase::Live && is_held
    }

    /// Its epochs of which no update may be missing in the timeline of the only logger, if it is one that waits rather
    /// than drops anything, and its spool was never lost.
    pub(super) fn complete_epochs(&self, session: &Session) -> Vec<(u64, &Epoch)> {
        let waits = self.plan.options.when_full == WhenFull::Block;
        let logged = self.plan.options.level == Some(Level::Logged);
        let keeps_all = self.plan.kept || self.former.len() < SPOOLED_EPOCHS;
        if !(waits && logged && keeps_all) || self.plan.shared || self.is_over(session) {
            return Vec::new();
        }
        let former = self.former.iter().map(|(number, epoch)| (*number, epoch));
        former.chain([(self.epoch, &self.journal)]).collect()
    }

    /// How far it is, in words.
    pub(super) fn describe(&self, session: &Session) -> String {
        let writer = session.writer(self.id).expect("it is never removed");
        format!(
            "{:?}, {:?}, newest {}, acknowledged {}, unacknowledged {}",
            writer.phase(),
            writer.level(),
            writer.newest(),
            writer.acknowledged(),
            writer.unacknowledged()
        )
    }

    /// Its epoch, the last sequence, and the dictionary as of that.
    pub(super) fn now(&self, session: &Session) -> (u64, u64, &Dictionary) {
        let writer = session.writer(self.id).expect("it is never removed");
        (writer.epoch(), writer.newest(), &self.content)
    }

    /// Goes on in a new epoch after the last one is over.
    pub(super) fn begin_again(
        &mut self,
        session: &mut Session,
        now: Now,
        take_over: bool,
        notes: &mut Notes,
    ) {
        // What a program that was killed has kept; one that goes on keeps all.
        let kept = session.left(&self.plan.source).map_or(u64::MAX, |left| left.epoch() - 1);
        self.plan.options.take_over = take_over;
        self.id = session.add_writer(now, &self.plan.source, self.plan.options).expect("the former is over");
        let epoch = session.writer(self.id).expect("it was just added").epoch();
        // What is left of the former epoch is announced as a replay, even if it was never accepted. If nothing of it was kept
        // when the program was killed, nothing was sent either.
        if self.journal.newest() > 0 && self.epoch <= kept && self.epoch != epoch {
            self.enter(notes);
            self.former.push((self.epoch, self.journal.clone()));
        }
        self.epoch = epoch;
        self.content = Dictionary::new();
        self.journal = Epoch::new();
        (self.accepted, self.acknowledged) = (false, false);
    }

    /// One turn of its program: some publications, and now and then an end.
    pub(super) fn work(&mut self, session: &mut Session, now: Now, rng: &mut Rng, notes: &mut Notes) {
        for _ in 0..rng.u32(1..=self.plan.burst) {
            self.publish_something(session, now, rng, notes);
        }
        if rng.u32(0..60) == 0 {
            self.end(session, now, notes);
        }
    }

    /// Publishes a changed dictionary, or once in a while the same.
    pub(super) fn publish_something(
        &mut self,
        session: &mut Session,
        now: Now,
        rng: &mut Rng,
        notes: &mut Notes,
    ) {
        let mut new = self.content.clone();
        let (mut set, mut removed) = (None, None);
        match rng.u8(0..20) {
            0 => {}
            1..=3 => {
                let key = key(rng);
                new.remove(&key);
                removed = Some(key);
            }
            _ => {
                let (key, value) = (key(rng), value(rng, self.plan.text));
                new.insert(key.clone(), value.clone());
                set = Some((key, value));
            }
        }
        let is_first = session.writer(self.id).is_some_and(|writer| writer.newest() == 0);
        let after_loss = is_first && rng.u8(0..3) == 0;
        let result = if after_loss {
            let since = now.time.offset_by(-rng.i64(0..1_000_000_000));
            session.publish_after_loss(now, self.id, &new, since).map(Some)
        } else if rng.bool() || is_first {
            session.publish(now, self.id, &new)
        } else {
            let set = set.as_ref().map(|(key, value)| (key.as_str(), value));
            session.patch(now, self.id, set, removed.as_deref())
        };
        match result {
            Ok(Some(sequence)) => {
                if !is_first && new == self.content {
                    notes.complain(format_args!("{}: {sequence} changes nothing", self.plan.source));
                }
                self.content = new;
                self.journal.after_loss |= after_loss;
                notes.coverage.losses += u64::from(after_loss);
                self.note_update(session, sequence, notes);
            }
            Ok(None) if new != self.content => {
                notes.complain(format_args!("{}: a change was not published", self.plan.source));
            }
            Ok(None) => notes.coverage.unchanged += 1,
            Err(PublishError::Full) => notes.coverage.blocked += 1,
            Err(PublishError::Ended | PublishError::Refused(_) | PublishError::Replaced) => {}
            Err(other) => notes.complain(format_args!("{}: {other}", self.plan.source)),
        }
    }

    fn end(&mut self, session: &mut Session, now: Now, notes: &mut Notes) {
        if let Ok(sequence) = session.end_writer(now, self.id) {
            self.journal.ended = true;
            self.note_update(session, sequence, notes);
            notes.coverage.ends += 1;
        }
    }

    fn note_update(&mut self, session: &Session, sequence: u64, notes: &mut Notes) {
        let source = &self.plan.source;
        notes.coverage.updates += 1;
        notes.trace.line(format_args!("{source} epoch {}: update {sequence}", self.epoch));
        self.journal.states.push(self.content.clone());
        let expected = self.journal.newest();
        if sequence != expected {
            notes.complain(format_args!("{source}: a publication got {sequence} instead of {expected}"));
        }
        if self.accepted {
            self.enter(notes);
        }
        let writer = session.writer(self.id).expect("it is never removed");
        let most = session.limits().spool_updates;
        let (spooled, _) = writer.spooled();
        // What cannot wait goes in besides: a first update and an End of each epoch.
        if spooled > most + 2 * (1 + self.former.len()) {
            notes.complain(format_args!("{source}: {spooled} spooled, {most} allowed"));
        }
    }

    /// Something became of it.
    pub(super) fn changed(&mut self, change: &WriterChange, notes: &mut Notes) {
        notes.trace.line(format_args!("{} epoch {}: {change:?}", self.plan.source, self.epoch));
        match change {
            WriterChange::Live { .. } => {
                self.accepted = true;
                notes.told_accepted(&self.plan.source, self.epoch);
                self.enter(notes);
            }
            WriterChange::Raised { to, .. } => self.raised(*to, notes),
            WriterChange::Refused(refusal) if self.accepted => notes.complain(format_args!(
                "{} epoch {}: refused after it was accepted: {refusal}",
                self.plan.source, self.epoch
            )),
            WriterChange::Refused(refusal) if refusal.outcome == Outcome::Live => {
                notes.coverage.refused_live += 1;
            }
            WriterChange::Replaced => notes.coverage.fences += 1,
            WriterChange::Acknowledged { sequence } => {
                notes.coverage.acknowledgements += 1;
                self.acknowledged |= *sequence > 0;
            }
            _ => {}
        }
    }

    /// Brings what was published to the journal of all.
    fn enter(&self, notes: &mut Notes) {
        if let Err(complaint) = notes.journal.enter(&self.plan.source, self.epoch, &self.journal) {
            notes.complain(format_args!("{complaint}"));
        }
    }

    /// Either nothing was sent yet and the epoch was merely numbered anew, or a new one restates everything.
    fn raised(&mut self, to: u64, notes: &mut Notes) {
        notes.coverage.raised += 1;
        if self.accepted && self.journal.newest() > 0 {
            self.former.push((self.epoch, self.journal.clone()));
            let states = vec![self.content.clone(); 1 + usize::from(self.journal.ended)];
            self.journal.states = states;
            // A loss that was acknowledged is not told again.
            self.journal.after_loss &= !self.acknowledged;
        }
        self.epoch = to;
        (self.accepted, self.acknowledged) = (false, false);
    }
}

fn key(rng: &mut Rng) -> String {
    format!("key{}", rng.u8(0..6))
}

fn value(rng: &mut Rng, text: usize) -> Value {
    match rng.u8(0..8) {
        0 => Value::Null,
        1 => rng.bool().into(),
        2 => f64::NAN.into(),
        3 => (f64::from(rng.u8(0..4)) / 2.0).into(),
        4 => vec![rng.u8(..); rng.usize(0..4)].into(),
        5 => Value::List(vec![rng.i64(..).into(), Value::Null]),
        6 => "µ".repeat(rng.usize(0..=text / 2)).into(),
        _ => (*pick(rng, &[0_i64, 1, -1, i64::MAX])).into(),
    }
}
