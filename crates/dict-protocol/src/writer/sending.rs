//! What is sent besides updates as they are made: slices, and the newest state.

use super::epoch::{Epoch, made_at};
use super::{Line, Phase, Writer, publish};
use crate::encoding::messagepack;
use crate::output::Output;
use crate::packet::{Packet, Resume, State, Update};
use crate::record::GapReason;

impl Writer {
    /// The hub asks for older updates. They are sent at once, or when the output has room.
    pub(crate) fn resume(&mut self, line: &mut Line<'_>, resume: &Resume) {
        let epochs = self.replays.iter_mut().chain(core::iter::once(&mut self.epoch));
        for epoch in epochs.filter(|epoch| epoch.id == Some(resume.source)) {
            epoch.resume = Some(*resume);
        }
        self.answer(line);
    }

    /// The output has room: sends what had to wait.
    pub(crate) fn drained(&mut self, line: &mut Line<'_>) {
        self.catch_up(line);
        self.answer(line);
    }

    /// Whether something waits for room in the connection's output.
    pub fn is_behind(&self) -> bool {
        (self.phase == Phase::Live && self.sent < self.epoch.newest)
            || self.epoch.resume.is_some()
            || self.replays.iter().any(|replay| replay.resume.is_some())
    }

    /// Answers the hub's questions for older updates.
    fn answer(&mut self, line: &mut Line<'_>) {
        for place in 0..=self.replays.len() {
            let epoch = self.replays.get_mut(place).unwrap_or(&mut self.epoch);
            let (Some(id), Some(resume)) = (epoch.id, epoch.resume) else { continue };
            let limits = line.limits;
            let Some(output) = line.ready() else { return };
            epoch.resume = None;
            if epoch.spool.is_some() {
                epoch.answer(id, &resume, limits, output.buffer());
            } else {
                self.answer_without_spool(id, &resume, output);
            }
        }
    }

    /// Nothing is kept for loggers: they get the newest state.
    fn answer_without_spool(&mut self, id: u32, resume: &Resume, output: &mut Output) {
        let missing = (resume.after < self.epoch.newest)
            .then(|| self.epoch.missing_from(resume.after.saturating_add(1), GapReason::NotKept));
        self.encode_content();
        output.send(&Packet::State(State {
            source: id,
            sequence: self.epoch.newest,
            stamp: made_at(self.epoch.time),
            missing,
            end_of_slice: true,
            replayed: true,
            dictionary: &self.scratch,
        }));
        self.scratch.clear();
    }

    /// Brings the hub's dictionary up to the newest update, by State.
    pub(super) fn catch_up(&mut self, line: &mut Line<'_>) {
        let Some(id) = self.epoch.id.filter(|_| self.phase == Phase::Live) else { return };
        let Epoch { newest, time, ended, .. } = self.epoch;
        if self.sent >= newest {
            return;
        }
        let Some(output) = line.ready() else { return };
        // An End changes nothing, and is told as such.
        let stated = if ended { newest - 1 } else { newest };
        if self.sent < stated {
            self.encode_content();
            output.send(&Packet::State(State {
                source: id,
                sequence: stated,
                stamp: made_at(time),
                missing: self.epoch.missing_at(stated),
                end_of_slice: false,
                replayed: false,
                dictionary: &self.scratch,
            }));
            self.scratch.clear();
        }
        if ended {
            output.send(&Packet::Update(Update {
                source: id,
                sequence: newest,
                stamp: made_at(time),
                end: true,
                end_of_slice: false,
                replayed: false,
                patch: publish::EMPTY_PATCH,
            }));
        }
        self.sent = newest;
    }

    /// Puts the whole dictionary into the scratch buffer.
    fn encode_content(&mut self) {
        self.scratch.clear();
        messagepack::encode_dictionary(&self.content, usize::MAX, &mut self.scratch)
            .expect("each part of it was encoded before");
    }

    /// The dictionary's bytes as MessagePack, counted.
    pub(super) fn exact_size(&mut self) -> usize {
        self.encode_content();
        self.size = self.scratch.len();
        self.scratch.clear();
        self.size
    }
}
