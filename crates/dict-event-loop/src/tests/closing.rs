//! The ends of connections.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use socket2::SockRef;

use super::harness::{Event, PATIENCE, Running, pattern, send_meanwhile};
use crate::*;

fn patient() -> Settings {
    Settings { drain_timeout: PATIENCE, ..Settings::default() }
}

#[test]
fn a_peer_that_has_ended_its_output_gets_its_answer() {
    let running = Running::with_settings(patient());
    let (mut client, token) = running.opened_client();
    let sent = pattern(8 << 20);
    let sender = send_meanwhile(&client, sent.clone());
    let ending = thread::spawn(move || sender.join().unwrap().shutdown(Shutdown::Write).unwrap());
    let mut back = Vec::new();
    client.read_to_end(&mut back).unwrap();
    ending.join().unwrap();
    assert!(back == sent, "{} of {} bytes came back", back.len(), sent.len());
    let (closed, reason) = running.closed();
    assert_eq!(closed, token);
    assert!(matches!(reason, Closed::ByPeer), "{reason:?}");
}

#[test]
fn the_other_half_lives_as_long_as_the_application_wants() {
    let running = Running::start();
    running.call(|echo, _| echo.keep_open_after_input = true);
    let (mut client, token) = running.opened_client();
    client.shutdown(Shutdown::Write).unwrap();
    while !matches!(running.event(), Event::InputEnded) {}
    for round in 0..3 {
        running.send(token, vec![round; 100_000]);
        let mut bytes = vec![0; 100_000];
        client.read_exact(&mut bytes).unwrap();
        assert!(bytes.iter().all(|byte| *byte == round));
    }
    running.assert_idle();
    running.call(move |_, io| io.close(token, Close::Drain));
    assert_eq!(client.read(&mut [0; 8]).unwrap(), 0);
    assert!(matches!(running.closed(), (_, Closed::ByPeer)));
}

#[test]
fn a_reset_of_the_peer_is_a_failure() {
    let running = Running::start();
    let (client, token) = running.opened_client();
    SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    let (closed, reason) = running.closed();
    assert_eq!(closed, token);
    assert!(
        matches!(&reason, Closed::Failed(error) if error.kind() == ErrorKind::ConnectionReset),
        "{reason:?}"
    );
}

#[test]
fn a_reset_after_the_end_of_input_is_noticed() {
    let running = Running::start();
    running.call(|echo, _| echo.keep_open_after_input = true);
    let (client, token) = running.opened_client();
    client.shutdown(Shutdown::Write).unwrap();
    while !matches!(running.event(), Event::InputEnded) {}
    drop(client);
    // Whoever writes to it now gets a reset, and no read is left to tell of it.
    running.send(token, vec![1; 1_000]);
    let (closed, reason) = running.closed();
    assert_eq!(closed, token);
    assert!(matches!(reason, Closed::Failed(_)), "{reason:?}");
}

#[test]
fn the_application_can_reset() {
    let running = Running::start();
    let (mut client, token) = running.opened_client();
    running.call(move |_, io| io.close(token, Close::Reset));
    assert_eq!(client.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert!(matches!(running.closed(), (_, Closed::Asked { drained: true })));
}

#[test]
fn the_application_can_close_at_once() {
    let running = Running::start();
    let (mut client, token) = running.opened_client();
    running.call(move |echo, io| {
        echo.outputs.get_mut(&token).unwrap().extend(b"never sent");
        io.write(token);
        io.close(token, Close::Now);
        io.close(token, Close::Now);
    });
    assert_eq!(client.read(&mut [0; 8]).unwrap(), 0);
    assert!(matches!(running.closed(), (_, Closed::Asked { drained: false })));
}

/// The peer is sending all the while: closing over what it sent would reset the connection and destroy what it has not
/// read yet.
#[test]
fn draining_delivers_everything_to_a_peer_that_is_still_sending() {
    let running = Running::with_settings(patient());
    let (mut client, token) = running.opened_client();
    running.call(move |_, io| io.pause_reading(token));
    let enough = Arc::new(AtomicBool::new(false));
    let sender = {
        let (mut client, enough) = (client.try_clone().unwrap(), enough.clone());
        thread::spawn(move || {
            while !enough.load(Ordering::Relaxed) {
                client.write_all(&[0; 4_096]).unwrap();
            }
        })
    };
    let last_words = pattern(16 << 20);
    let output = last_words.clone();
    running.call(move |echo, io| {
        echo.outputs.get_mut(&token).unwrap().extend(output);
        io.close(token, Close::Drain);
    });
    let mut got = Vec::new();
    client.read_to_end(&mut got).unwrap();
    assert!(got == last_words, "{} of {} bytes came", got.len(), last_words.len());
    enough.store(true, Ordering::Relaxed);
    sender.join().unwrap();
    drop(client);
    match running.event() {
        Event::Closed(closed, Closed::Asked { drained: true }) => assert_eq!(closed, token),
        unexpected => panic!("a draining connection receives nothing; {unexpected:?}"),
    }
}

#[test]
fn draining_ends_at_its_deadline() {
    let running =
        Running::with_settings(Settings { drain_timeout: Duration::from_millis(20), ..Settings::default() });
    let (reads_nothing, first) = running.opened_client();
    running.call(move |echo, io| {
        echo.outputs.get_mut(&first).unwrap().extend(vec![0; 64 << 20]);
        io.close(first, Close::Drain);
    });
    assert!(matches!(running.closed(), (token, Closed::Asked { drained: false }) if token == first));

    let (mut closes_never, second) = running.opened_client();
    running.send(second, b"bye".to_vec());
    running.call(move |_, io| io.close(second, Close::Drain));
    let mut bye = Vec::new();
    closes_never.read_to_end(&mut bye).unwrap();
    assert_eq!(bye, b"bye");
    assert!(matches!(running.closed(), (token, Closed::Asked { drained: true }) if token == second));
    drop(reads_nothing);
}

/// One byte a turn is read, and sent back: the first of these writes provokes a reset, the second fails by it, and the
/// rest is received all the same. (Other systems throw it away with the reset.)
#[cfg(target_os = "linux")]
#[test]
fn what_the_peer_sent_before_it_broke_off_is_received() {
    let running = Running::with_settings(Settings { read_buffer: 1, ..Settings::default() });
    let (mut client, token) = running.opened_client();
    running.call(move |_, io| io.pause_reading(token));
    client.write_all(b"last words").unwrap();
    drop(client);
    running.call(move |_, io| io.resume_reading(token));
    assert_eq!(running.received(token, 10), b"last words");
    let (_, reason) = running.closed();
    assert!(matches!(reason, Closed::Failed(_)), "{reason:?}");
}

#[test]
fn stopping_drains_all_and_gives_the_application_back() {
    let running = Running::start();
    let mut clients: Vec<_> = (0..10).map(|_| running.opened_client()).collect();
    for (_, token) in &clients {
        running.send(*token, pattern(50_000));
    }
    let readers: Vec<_> = clients
        .drain(..)
        .map(|(mut client, _)| {
            thread::spawn(move || {
                let mut all = Vec::new();
                client.read_to_end(&mut all).unwrap();
                all
            })
        })
        .collect();
    let echo = running.stop();
    assert!(echo.outputs.is_empty(), "{} connections were not closed", echo.outputs.len());
    for reader in readers {
        assert!(reader.join().unwrap() == pattern(50_000));
    }
}

#[test]
fn commands_for_a_closed_connection_do_nothing() {
    let running = Running::start();
    let (client, token) = running.opened_client();
    drop(client);
    running.closed();
    let (mut heir, heirs_token) = running.opened_client();
    assert_ne!(token, heirs_token);
    running.call(move |_, io| {
        io.write(token);
        io.pause_reading(token);
        io.resume_reading(token);
        io.established(token);
        io.close(token, Close::Reset);
    });
    heir.write_all(b"alive").unwrap();
    assert_eq!(running.received(heirs_token, 5), b"alive");
}
