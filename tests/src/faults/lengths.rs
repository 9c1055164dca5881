//! Row 17: lengths that are nothing, at the limit, just beyond it, and as large as can be claimed.

use std::time::Duration;

use dict_protocol::frame::Kind;
use dict_protocol::limits::Limits;

use super::hostile::{Fate, Port, Shot, Target, claim, comet, greeted};
use super::{Miss, Setting, ensure};
use crate::programs::PATIENCE;

/// What a length that is claimed may cost.
const MOST: u64 = 64 << 10;

pub(super) fn run(setting: &Setting) -> Result<String, Miss> {
    let times = setting.times(100, 5);
    let target = Target::start(&[]);
    let witness = target.client("witness")?;
    let shots = shots(&Limits::default());
    let mut slowest = Duration::ZERO;
    for _ in 0..times {
        for shot in shots.iter().filter(|shot| shot.fate == Fate::Ended) {
            let (took, _) = shot.fire(&target, &witness)?;
            slowest = slowest.max(took);
        }
    }
    setting.within("ending such a connection", slowest, Duration::from_millis(100))?;

    // What is within the limits is waited for; so many that a page here or there does not matter.
    let claims: Vec<&Shot> = shots.iter().filter(|shot| shot.fate == Fate::Stays).collect();
    let before = target.service.running.resident_kib();
    let mut held = Vec::new();
    for _ in 0..times {
        for shot in &claims {
            held.push(shot.send(&target.addresses));
        }
    }
    witness.ping(PATIENCE).map_err(|error| error.to_string())?;
    let grown = target.service.running.resident_kib().saturating_sub(before) << 10;
    let each = grown / held.len() as u64;
    ensure(each <= MOST, || format!("a claimed length takes {each} bytes"))?;
    for (stream, shot) in held.iter_mut().zip(claims.iter().cycle()) {
        ensure(!super::hostile::has_ended(stream), || format!("{}: the hub ends it", shot.what))?;
    }
    Ok(format!(
        "{} lengths in every dialect, {times} times: those beyond a limit are ended within {:.1} ms; {} connections that \
         claim lengths within it and send no more take {each} bytes each",
        shots.len(),
        slowest.as_secs_f64() * 1e3,
        held.len()
    ))
}

/// Every length in every dialect that has lengths, and in those that take any bytes.
pub(super) fn shots(limits: &Limits) -> Vec<Shot> {
    let (body, greeting) = (limits.body, limits.greeting_body);
    let around = |limit: u32| [limit - 1, limit, limit + 1, 1 << 31, u32::MAX];
    let mut shots = Vec::new();
    let mut add = |what: String, port, bytes, is_ended| {
        let fate = if is_ended { Fate::Ended } else { Fate::Stays };
        shots.push(Shot::new(what, port, bytes, fate));
    };
    let empty = |kind| super::hostile::framed(kind, dict_protocol::frame::Encoding::None, b"");
    add("a greeting of nothing".into(), Port::Native, empty(Kind::Hello), true);
    add("a frame of nothing".into(), Port::Native, greeted(&empty(Kind::Ack)), true);
    for length in around(greeting) {
        let what = format!("a greeting of {length} bytes");
        add(what, Port::Native, claim(Kind::Hello, length), length > greeting);
    }
    for length in around(body) {
        let bytes = greeted(&claim(Kind::Ping, length));
        add(format!("a frame of {length} bytes"), Port::Native, bytes, length > body);
        let (little, big) = (length.to_le_bytes(), length.to_be_bytes());
        add(format!("JSON of {length} bytes"), Port::Comms, [&little[..], b"[1"].concat(), length > body);
        add(format!("text of {length} bytes"), Port::Text, [&big[..], b"[1"].concat(), length > body);
        let bytes = comet(length.into(), b"{");
        add(format!("comet content of {length} bytes"), Port::Comet, bytes, length > body);
        let pytcp = [&[0xA5][..], &big].concat();
        add(format!("a pytcp client that claims {length} bytes"), Port::PyTcp, pytcp, false);
    }
    add("JSON of nothing".into(), Port::Comms, vec![0; 4], true);
    add("text of nothing".into(), Port::Text, vec![0; 4], false);
    add("comet content of nothing".into(), Port::Comet, comet(0, b""), true);
    add("a comet header of nothing".into(), Port::Comet, vec![0; 2], true);
    add("a comet header of all that can be".into(), Port::Comet, vec![0xFF, 0xFF, b'{'], false);
    add("comet content of 2^64 bytes".into(), Port::Comet, comet(u64::MAX, b"{"), true);
    shots
}
