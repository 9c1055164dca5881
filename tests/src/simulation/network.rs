//! A network of byte streams that split, delay, change bits and break.
//!
//! Each link has two ends, of which one is the client's. A write is taken as far as the stream has room, is cut into
//! pieces, and arrives in order after a while. A cut link tells its ends, or one of them, or neither: then only silence does.

use std::collections::VecDeque;
use std::time::Duration;

use dict_protocol::time::Instant;
use fastrand::Rng;

/// A link, never used again for another one.
pub(super) type LinkId = usize;

/// An end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The one that connected.
    Client,
    /// The one that was connected to.
    Hub,
}

impl Side {
    /// Both.
    pub(super) const ALL: [Self; 2] = [Self::Client, Self::Hub];

    /// The other one.
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Client => Self::Hub,
            Self::Hub => Self::Client,
        }
    }
}

/// How good the network is.
#[derive(Clone, Debug)]
pub(super) struct Weather {
    /// The longest that a piece usually takes.
    pub(super) latency: Duration,
    /// Of how many pieces one takes long.
    pub(super) delay_one_in: u32,
    /// How long that is at most.
    pub(super) delay: Duration,
    /// The largest piece; larger writes are cut.
    pub(super) piece: usize,
    /// What one direction of a link holds.
    pub(super) capacity: usize,
}

/// How a link breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// Both ends are told; what is under way is lost.
    Reset,
    /// That end is told; to the other it is silent.
    OneSided(Side),
    /// Neither is told.
    Silent,
}

/// All links there ever were.
#[derive(Debug, Default)]
pub(super) struct Network {
    links: Vec<Link>,
}

#[derive(Debug)]
struct Link {
    /// By the side that receives.
    streams: [Stream; 2],
    /// Whether a side still holds its end.
    open: [bool; 2],
    /// Bytes go nowhere.
    dead: bool,
}

#[derive(Debug, Default)]
struct Stream {
    pieces: VecDeque<(Instant, Vec<u8>)>,
    bytes: usize,
    last: Instant,
    /// The reader is asleep.
    stalled: bool,
    /// A bit of the next piece changes on the way.
    flip: bool,
}

impl Network {
    /// A new link.
    pub(super) fn connect(&mut self) -> LinkId {
        self.links.push(Link { streams: Default::default(), open: [true; 2], dead: false });
        self.links.len() - 1
    }

    /// Writes to a link from `side`; returns how much was taken, and when it will be there to read.
    pub(super) fn write(
        &mut self,
        rng: &mut Rng,
        weather: &Weather,
        now: Instant,
        link: LinkId,
        side: Side,
        bytes: &[u8],
    ) -> (usize, Vec<Instant>) {
        let link = &mut self.links[link];
        let dead = link.dead;
        let stream = &mut link.streams[side.other() as usize];
        let room = if dead { bytes.len() } else { weather.capacity.saturating_sub(stream.bytes) };
        let taken = room.min(bytes.len());
        let mut arrivals = Vec::new();
        if dead {
            // A black hole takes anything, until the sender's own patience ends.
            return (taken, arrivals);
        }
        let mut rest = &bytes[..taken];
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rng.usize(1..=weather.piece).min(rest.len()));
            rest = after;
            let most = if rng.u32(0..weather.delay_one_in) == 0 { weather.delay } else { weather.latency };
            let latency = Duration::from_nanos(rng.u64(1..=most.as_nanos() as u64));
            stream.last = stream.last.max(now + latency);
            let mut piece = piece.to_vec();
            if std::mem::take(&mut stream.flip) {
                let place = rng.usize(0..piece.len());
                piece[place] ^= 1 << rng.u8(0..8);
            }
            stream.bytes += piece.len();
            stream.pieces.push_back((stream.last, piece));
            arrivals.push(stream.last);
        }
        (taken, arrivals)
    }

    /// Takes what has arrived at `side`.
    pub(super) fn read(&mut self, now: Instant, link: LinkId, side: Side) -> Option<Vec<u8>> {
        let link = &mut self.links[link];
        let stream = &mut link.streams[side as usize];
        if stream.stalled || !link.open[side as usize] || stream.pieces.front()?.0 > now {
            return None;
        }
        let (_, piece) = stream.pieces.pop_front()?;
        stream.bytes -= piece.len();
        Some(piece)
    }

    /// When the last of what was written to `side` arrives, or arrived.
    pub(super) fn last_arrival(&self, link: LinkId, side: Side) -> Instant {
        self.links[link].streams[side as usize].last
    }

    /// A side reads no more, or again.
    pub(super) fn stall(&mut self, link: LinkId, side: Side, stalled: bool) {
        self.links[link].streams[side as usize].stalled = stalled;
    }

    /// A bit of the next piece to `side` will change on the way.
    pub(super) fn flip(&mut self, link: LinkId, side: Side) {
        self.links[link].streams[side as usize].flip = true;
    }

    /// No bit changes any more.
    pub(super) fn clear_flips(&mut self) {
        self.links.iter_mut().flat_map(|link| &mut link.streams).for_each(|stream| stream.flip = false);
    }

    /// Whether nothing has happened to it that could hold it up.
    pub(super) fn is_sound(&self, link: LinkId) -> bool {
        let link = &self.links[link];
        !link.dead && link.streams.iter().all(|stream| !stream.stalled && !stream.flip)
    }

    /// Loses what is under way, and all that will be written.
    pub(super) fn kill(&mut self, link: LinkId) {
        let link = &mut self.links[link];
        link.dead = true;
        for stream in &mut link.streams {
            stream.pieces.clear();
            stream.bytes = 0;
        }
    }

    /// A side closes its end. What it wrote still arrives; returns whether the other end is still open.
    pub(super) fn close(&mut self, link: LinkId, side: Side) -> bool {
        let link = &mut self.links[link];
        link.open[side as usize] = false;
        link.streams[side as usize].pieces.clear();
        link.streams[side as usize].bytes = 0;
        link.open[side.other() as usize]
    }

    /// Whether a side still holds its end.
    pub(super) fn is_open(&self, link: LinkId, side: Side) -> bool {
        self.links[link].open[side as usize]
    }

    /// Whether bytes go nowhere.
    pub(super) fn is_dead(&self, link: LinkId) -> bool {
        self.links[link].dead
    }
}
