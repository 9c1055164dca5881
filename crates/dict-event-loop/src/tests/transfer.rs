//! Reading and writing.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::harness::{Event, Running, client, eventually, pattern, send_meanwhile};
use crate::*;

#[test]
fn what_comes_in_goes_out() {
    let running = Running::with_settings(Settings { read_buffer: 1_000, ..Settings::default() });
    let (mut client, _) = running.opened_client();
    for length in [1, 999, 1_000, 1_001, 2_000, 300_000] {
        let sent = pattern(length);
        let sender = send_meanwhile(&client, sent.clone());
        let mut back = vec![0; length];
        client.read_exact(&mut back).unwrap();
        assert!(back == sent, "{length} bytes came back altered");
        sender.join().unwrap();
    }
}

#[test]
fn a_slow_reader_gets_everything() {
    let running = Running::start();
    let (mut client, token) = running.opened_client();
    // More than the systems' buffers hold, and asked for once.
    let sent = pattern(32 << 20);
    running.send(token, sent.clone());
    let mut back = vec![0; sent.len()];
    for part in back.chunks_mut(1 << 20) {
        client.read_exact(part).unwrap();
        thread::sleep(Duration::from_millis(1));
    }
    assert!(back == sent, "the bytes came altered");
    assert!(running.call(|echo, _| echo.partial_writes) > 0, "all went out by one write");

    // And when the way is free again, small things go as before.
    client.write_all(b"still there?").unwrap();
    let mut back = [0; 12];
    client.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"still there?");
    running.assert_idle();
}

/// With a small buffer the flooder always has more to be read; the harness asserts that it is read once a turn, and
/// that no turn ends with a timer due.
#[test]
fn a_flooder_takes_neither_turns_nor_timers_from_others() {
    let running = Running::with_settings(Settings { read_buffer: 4_096, ..Settings::default() });
    let sink = running.call(|echo, io| {
        let listening = io.listen(&"127.0.0.1:0".parse().unwrap()).unwrap();
        echo.sink = Some(listening.id);
        let interval = Duration::from_millis(1);
        echo.timer = Some((io.now().instant + interval, interval));
        listening.address
    });
    let enough = Arc::new(AtomicBool::new(false));
    let flood = {
        let enough = enough.clone();
        let mut flooder = client(sink);
        thread::spawn(move || {
            let bytes = vec![b'f'; 1 << 20];
            while !enough.load(Ordering::Relaxed) {
                flooder.write_all(&bytes).unwrap();
            }
        })
    };
    let (mut ordinary, _) = running.opened_client();
    eventually("the flood has begun", || running.call(|echo, _| echo.sunk) > 1 << 20);
    let sunk_before = running.call(|echo, _| echo.sunk);
    for _ in 0..500 {
        ordinary.write_all(b"ping").unwrap();
        let mut back = [0; 4];
        ordinary.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"ping");
    }
    eventually("the timer has run", || running.call(|echo, _| echo.ticks) > 5);
    assert!(running.call(|echo, _| echo.sunk) > sunk_before, "the flooder is served too");
    enough.store(true, Ordering::Relaxed);
    flood.join().unwrap();
}

#[test]
fn a_paused_connection_is_not_read_until_it_is_resumed() {
    let running = Running::start();
    let (mut paused, paused_token) = running.opened_client();
    let (mut other, other_token) = running.opened_client();
    running.call(move |_, io| io.pause_reading(paused_token));
    paused.write_all(b"later").unwrap();
    // A few rounds of another connection, in which the loop must have seen the event.
    for _ in 0..3 {
        other.write_all(b"now").unwrap();
        match running.event() {
            Event::Received(token, bytes) => {
                assert_eq!((token, bytes.as_slice()), (other_token, &b"now"[..]));
            }
            unexpected => panic!("{unexpected:?}"),
        }
    }
    // Told twice and taken back at once: it must come exactly once all the same.
    running.call(move |_, io| {
        io.resume_reading(paused_token);
        io.pause_reading(paused_token);
        io.resume_reading(paused_token);
    });
    assert_eq!(running.received(paused_token, 5), b"later");

    // With nothing readable at the time of the pause and of its end.
    running.call(move |_, io| io.pause_reading(paused_token));
    running.call(move |_, io| io.resume_reading(paused_token));
    paused.write_all(b"again").unwrap();
    assert_eq!(running.received(paused_token, 5), b"again");
}

#[test]
fn pausing_holds_the_peer_up_and_loses_nothing() {
    let running = Running::start();
    let (mut client, token) = running.opened_client();
    running.call(move |_, io| io.pause_reading(token));
    let sent = pattern(16 << 20);
    let sender = send_meanwhile(&client, sent.clone());
    thread::sleep(Duration::from_millis(50));
    assert!(!sender.is_finished(), "16 MiB went to a connection that nobody reads");
    running.assert_idle();
    running.call(move |_, io| io.resume_reading(token));
    let mut back = vec![0; sent.len()];
    client.read_exact(&mut back).unwrap();
    assert!(back == sent, "the bytes came altered");
    sender.join().unwrap();
}

/// A thread that drives the loop itself: what it asked for between turns goes out before the wait.
#[test]
fn a_round_trip_in_one_thread_needs_one_wait() {
    let (mut echo, events) = super::harness::Echo::alone();
    let mut event_loop = EventLoop::new().unwrap();
    let address = event_loop.io().listen(&"127.0.0.1:0".parse().unwrap()).unwrap().address;
    let mut peer = client(address);
    let token = loop {
        let _ = event_loop.turn(&mut echo, Some(Duration::from_millis(100))).unwrap();
        if let Ok(Event::Opened(token, _)) = events.try_recv() {
            break token;
        }
    };
    for round in 0..10_u8 {
        echo.outputs.get_mut(&token).unwrap().push(round);
        event_loop.io().write(token);
        // With no time to wait, so the byte can only have gone out first.
        let _ = event_loop.turn(&mut echo, Some(Duration::ZERO)).unwrap();
        let mut byte = [0];
        peer.read_exact(&mut byte).unwrap();
        assert_eq!(byte, [round]);
    }
}
