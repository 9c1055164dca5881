//! What a claim costs: rows 17 and 19 with a counting allocator, which sees this thread alone.

use allocation_counter::measure;
use dict_hub::{Config, Hub};
use dict_protocol::change::Patch;
use dict_protocol::dialect::comms::{Order, Payload, Settings};
use dict_protocol::dialect::{Codec, Dialect, Options, Side};
use dict_protocol::encoding::messagepack::DictionaryBytes;
use dict_protocol::encoding::{json, messagepack, tagged};
use dict_protocol::frame::Kind;
use dict_protocol::limits::Limits;
use dict_protocol::packet::{Hello, Packet, VERSION};
use dict_protocol::time::Now;
use dictwire_tests::faults::bombs;

/// The most that may be taken for a length or a level that is only claimed.
const MOST: u64 = 64 << 10;

/// That an attempt costs little, all that it takes and gives back counted.
fn costs_little(what: &str, attempt: impl FnOnce()) -> u64 {
    let taken = measure(attempt).bytes_total;
    assert!(taken <= MOST, "{what} takes {taken} bytes");
    taken
}

fn lengths(limit: u32) -> [u32; 6] {
    [0, limit - 1, limit, limit + 1, 1 << 31, u32::MAX]
}

/// A header that claims a length, in each dialect that has one, and the codec that is given it.
fn claims() -> Vec<(String, Box<dyn Codec>, Vec<u8>)> {
    let options = Options::default();
    let mut claims = Vec::new();
    for length in lengths(options.limit) {
        let (little, big) = (length.to_le_bytes(), length.to_be_bytes());
        let native = [&[0xD1, Kind::Ping as u8, 0, 0][..], &little, b"abc"].concat();
        let pytcp = [&[0xA5][..], &big, b"abcdefg"].concat();
        for (dialect, side, bytes) in [
            (Dialect::Native, Side::Server, native),
            (Dialect::PyTcp, Side::Client, pytcp.clone()),
            (Dialect::PyTcp, Side::Server, pytcp),
        ] {
            claims.push((format!("{dialect} {length}"), dialect.codec(side, &options), bytes));
        }
        for incoming in [Payload::Json, Payload::Text, Payload::Binary] {
            for (order, length) in [(Order::Little, little), (Order::Big, big)] {
                let comms = Settings { incoming, order, ..Settings::default() };
                let codec = Dialect::Comms.codec(Side::Server, &Options { comms, ..options.clone() });
                claims.push((format!("comms {length:?}"), codec, [&length[..], b"abc"].concat()));
            }
        }
        let header = format!(
            r#"{{"byteorder": "little", "content-type": "text/json", "content-encoding": "utf-8", "content-length": {length}}}"#
        );
        let prefix = u16::try_from(header.len()).expect("it is short").to_be_bytes();
        for side in [Side::Server, Side::Client] {
            let bytes = [&prefix[..], header.as_bytes(), b"{"].concat();
            claims.push((format!("comet {length}"), Dialect::Comet.codec(side, &options), bytes));
        }
    }
    claims
}

#[test]
fn a_length_that_is_claimed_takes_no_memory() {
    let mut most = 0;
    for (what, mut codec, bytes) in claims() {
        most = most.max(costs_little(&what, || {
            let mut bytes = &bytes[..];
            while let Ok(Some(_)) = codec.decode(&mut bytes) {}
        }));
    }
    println!("at most {most} bytes for a length that is claimed");
}

#[test]
fn a_hub_takes_little_for_a_connection_that_claims_a_length() {
    let now = Now::default();
    let config = Config { name: "lab".into(), run: 7, product: String::new(), limits: Limits::default() };
    let mut hub = Hub::new(config, now);
    let mut hello = Vec::new();
    Packet::Hello(Hello {
        version_min: VERSION,
        version_max: VERSION,
        client_id: [1; 16],
        time: now.time,
        max_body: u32::MAX,
        heartbeat: 0,
        name: "",
        product: "",
        credentials: "",
    })
    .encode(&mut hello);
    let mut most = 0;
    for greeting in [&b""[..], &hello] {
        for length in lengths(if greeting.is_empty() { 16 << 10 } else { 1 << 20 }) {
            let claim = [&[0xD1, Kind::Hello as u8, 0, 0][..], &length.to_le_bytes(), b"abc"].concat();
            most = most.max(costs_little(&format!("a frame of {length} bytes"), || {
                let id = hub.open(now, "192.0.2.1:1000");
                hub.receive(now, id, &[greeting, &claim].concat());
                hub.end_turn(now);
            }));
        }
    }
    println!("at most {most} bytes for a connection, its greeting and a length that is claimed");
}

#[test]
fn bombs_cost_little_and_fit_a_small_stack() {
    let explode = || {
        let mut most = 0;
        for depth in [Limits::default().depth, 256] {
            for (what, bytes) in bombs::messagepack() {
                most = most.max(costs_little(what, || {
                    assert!(messagepack::decode(&bytes, depth).is_err());
                    assert!(DictionaryBytes::parse(&bytes, depth).is_err());
                    assert!(Patch::parse(&bytes, depth).is_err());
                }));
                let patch = [&[0x90][..], &bytes].concat();
                most = most.max(costs_little(what, || assert!(Patch::parse(&patch, depth).is_err())));
            }
            for (what, bytes) in bombs::json() {
                most = most.max(costs_little(what, || {
                    assert!(json::read(&bytes, depth).is_err());
                    assert!(tagged::read(&bytes, depth).is_err());
                }));
            }
            // What is as deep as it may be can be read, compared, copied, written and dropped.
            let nested = [vec![0x91; depth], vec![1]].concat();
            let value = messagepack::decode(&nested, depth + 1).unwrap();
            assert_eq!(value, value.clone());
            let mut text = String::new();
            tagged::write(&value, json::Style::COMPACT, depth + 1, &mut text).unwrap();
            assert_eq!(tagged::read(text.as_bytes(), depth + 1).unwrap(), value);
            assert!(!format!("{value:?}").is_empty());
        }
        most
    };
    let small = std::thread::Builder::new().stack_size(512 << 10);
    let most = small.spawn(explode).unwrap().join().unwrap();
    println!("at most {most} bytes for a bomb");
}
