//! A program that sends messages and requests, and answers those of others.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dict_protocol::frame::Encoding;
use dict_protocol::packet::{Message, Mode, Payload, Status};
use dict_protocol::pattern::Pattern;
use dict_protocol::session::{Event, Question, RequestId, Session};
use dict_protocol::time::Now;
use fastrand::Rng;

use super::broken::Broken;
use super::notes::Notes;
use super::plan::pick;

/// What they ask each other.
const ACTION: &str = "work";

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Talker {
    name: String,
    /// Asked, and not answered yet.
    questions: Vec<(Question, u64)>,
    /// Its own requests, by the session's numbers.
    asked: BTreeMap<RequestId, u64>,
}

/// What became of messages and requests, over all clients. Each has a number of its own.
#[derive(Debug, Default)]
pub(super) struct Exchanged {
    last: u64,
    /// How often each request was done.
    done: BTreeMap<u64, u32>,
    /// Those that nobody has heard the outcome of.
    open: BTreeSet<u64>,
    /// Those whose outcome says that nobody did it.
    not_done: BTreeSet<u64>,
    /// To whom each message was; empty for everybody.
    sent: BTreeMap<u64, String>,
    /// The last message that each talker got of each other one, by the name that this has on its hub.
    got: BTreeMap<(String, String), u64>,
}

impl Exchanged {
    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// What must hold at the end.
    ///
    /// # Errors
    ///
    /// What does not.
    pub(super) fn check(&self) -> Result<(), String> {
        if let Some(open) = self.open.first() {
            return Err(format!("the outcome of request {open} was never told"));
        }
        match self.not_done.iter().find(|number| self.done.contains_key(number)) {
            Some(number) => Err(format!("request {number} was done, its outcome says it was not")),
            None => Ok(()),
        }
    }
}

impl Talker {
    /// Says nothing yet.
    pub(super) fn new(name: String, session: &mut Session) -> Self {
        session.subscribe(Pattern::all(), Mode::Messages, Duration::ZERO).expect("one is within the limit");
        session.handle(ACTION).expect("one is within the limit");
        Self { name, questions: Vec::new(), asked: BTreeMap::new() }
    }

    /// One turn of its program: answers, and perhaps asks or sends something. `others` are whom it knows of.
    pub(super) fn talk(
        &mut self,
        session: &mut Session,
        now: Now,
        others: &[String],
        rng: &mut Rng,
        notes: &mut Notes,
    ) {
        for (question, number) in std::mem::take(&mut self.questions) {
            self.answer(session, question, number, rng);
        }
        let exchanged = &mut notes.exchanged;
        let to = (rng.bool() && !others.is_empty()).then(|| pick(rng, others).as_str());
        let number = exchanged.next();
        let bytes = number.to_le_bytes();
        let payload = Payload { encoding: Encoding::Binary, bytes: &bytes };
        if rng.bool() {
            let timeout = Duration::from_millis(rng.u64(1..1_500));
            if let Ok(id) = session.request(now, to, ACTION, payload, timeout) {
                self.asked.insert(id, number);
                exchanged.open.insert(number);
                notes.coverage.requests += 1;
            }
        } else if session.send(to, payload).is_ok() {
            exchanged.sent.insert(number, to.unwrap_or("").to_owned());
            notes.coverage.messages += 1;
        }
    }

    /// A question may be answered at once, after a while or never.
    fn answer(&mut self, session: &mut Session, question: Question, number: u64, rng: &mut Rng) {
        let bytes = (2 * number).to_le_bytes();
        let payload = Payload { encoding: Encoding::Binary, bytes: &bytes };
        match rng.u8(0..10) {
            0 => {}
            1 => self.questions.push((question, number)),
            2 => drop(session.reply(question, Status::Failed, payload)),
            _ => drop(session.reply(question, Status::Result, payload)),
        }
    }

    /// Something came.
    pub(super) fn event(&mut self, event: &Event<'_>, broken: Option<Broken>, notes: &mut Notes) {
        let result = match event {
            Event::Asked { question, request } => {
                let number = number(&request.payload);
                self.questions.push((*question, number));
                let done = notes.exchanged.done.entry(number).or_default();
                *done += 1 + u32::from(broken == Some(Broken::RequestTwice));
                if *done == 1 { Ok(()) } else { Err(format!("request {number} was done {done} times")) }
            }
            Event::Answered { request, status, payload } => self.answered(*request, *status, payload, notes),
            Event::Message(message) => self.message(message, notes).and_then(|()| match broken {
                Some(Broken::MessageTwice) => self.message(message, notes),
                _ => Ok(()),
            }),
            Event::Disconnected { .. } => {
                self.questions.clear();
                Ok(())
            }
            _ => Ok(()),
        };
        if let Err(complaint) = result {
            notes.complain(format_args!("{}: {complaint}", self.name));
        }
    }

    fn answered(
        &mut self,
        request: RequestId,
        status: Status,
        payload: &Payload<'_>,
        notes: &mut Notes,
    ) -> Result<(), String> {
        let exchanged = &mut notes.exchanged;
        let asked =
            self.asked.remove(&request).ok_or("an outcome of what was never asked, or a second one")?;
        exchanged.open.remove(&asked);
        let done = exchanged.done.get(&asked).copied().unwrap_or(0);
        match status {
            Status::Result | Status::Failed if done == 0 || number(payload) != 2 * asked => {
                return Err(format!("request {asked} was answered by {payload:?}, done {done} times"));
            }
            Status::Result | Status::Failed => notes.coverage.answers += 1,
            Status::NoHandler | Status::Refused => {
                notes.coverage.unhandled += 1;
                exchanged.not_done.insert(asked);
            }
            Status::Unknown => notes.coverage.outcomes_unknown += 1,
            Status::Late => notes.coverage.late_answers += 1,
        }
        Ok(())
    }

    fn message(&self, message: &Message<'_>, notes: &mut Notes) -> Result<(), String> {
        let number = number(&message.payload);
        let exchanged = &mut notes.exchanged;
        let to = exchanged.sent.get(&number).ok_or_else(|| format!("message {number} was never sent"))?;
        // A client whose former connection is still there has another name.
        if !to.is_empty() && *to != self.name {
            return Err(format!("message {number} was for {to}"));
        }
        let last = exchanged.got.entry((self.name.clone(), message.fields.from.to_owned())).or_default();
        if number <= *last {
            return Err(format!("message {number} comes after {last}"));
        }
        *last = number;
        notes.coverage.messages_received += 1;
        Ok(())
    }

    /// Whether nothing is left to be answered.
    pub(super) fn is_settled(&self) -> bool {
        self.asked.is_empty()
    }
}

fn number(payload: &Payload<'_>) -> u64 {
    payload.bytes.try_into().map_or(0, u64::from_le_bytes)
}
