//! Connections that end by a reset, and lose nothing by it.

use std::io::{ErrorKind, Read};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::harness::{Event, PATIENCE, Running, pattern};
use crate::*;

fn fragile(settings: Settings) -> Running {
    let running = Running::with_settings(settings);
    running.call(|echo, _| echo.fragile = true);
    running
}

fn patient() -> Settings {
    Settings { drain_timeout: PATIENCE, ..Settings::default() }
}

/// A client whose system takes little that is not read.
fn narrow_client(address: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(2_048).unwrap();
    socket.connect(&address.into()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.into()
}

/// What comes up to the end, and whether that is a reset.
fn read_to_reset(client: &mut TcpStream) -> (Vec<u8>, bool) {
    let mut got = Vec::new();
    let end = client.read_to_end(&mut got);
    (got, end.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset))
}

fn acknowledged(running: &Running) -> Token {
    loop {
        if let Event::Acknowledged(token) = running.event() {
            return token;
        }
    }
}

#[test]
fn every_end_is_a_reset() {
    let running = fragile(patient());
    for how in [Close::Drain, Close::Now, Close::Reset] {
        let (mut client, token) = running.opened_client();
        running.call(move |_, io| io.close(token, how));
        assert_eq!(read_to_reset(&mut client), (Vec::new(), true), "{how:?}");
        assert!(matches!(running.closed(), (closed, Closed::Asked { drained: true }) if closed == token));
    }

    let (mut ends_first, token) = running.opened_client();
    ends_first.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_to_reset(&mut ends_first), (Vec::new(), true));
    assert!(matches!(running.closed(), (closed, Closed::ByPeer) if closed == token));

    // As if the process were killed: nobody closes the socket but the system.
    let (mut client, _) = running.opened_client();
    running.call(|_, io| io.stop_now());
    drop(running);
    assert_eq!(read_to_reset(&mut client), (Vec::new(), true));
}

#[test]
fn stopping_resets_too() {
    let running = fragile(patient());
    let (mut client, _) = running.opened_client();
    let echo = running.stop();
    assert!(echo.outputs.is_empty());
    assert_eq!(read_to_reset(&mut client), (Vec::new(), true));
}

#[test]
fn what_is_written_is_acknowledged_once() {
    let running = fragile(Settings::default());
    let (mut client, token) = running.opened_client();
    for round in 0..20_u8 {
        running.send(token, vec![round; 100]);
        assert_eq!(acknowledged(&running), token);
        let mut bytes = [0; 100];
        client.read_exact(&mut bytes).unwrap();
        assert_eq!(bytes, [round; 100]);
    }
    running.assert_idle();
    assert!(running.events.try_recv().is_err(), "acknowledged once more");
}

/// That nothing is acknowledged before the peer has taken it, only Linux tells. And others throw away with a reset what
/// was not read before it.
#[cfg(target_os = "linux")]
mod on_linux {
    use super::super::harness::eventually;
    use super::*;

    /// Asserts that the loop asks for an acknowledgement only now and then.
    fn assert_patient(running: &Running) {
        let turns = running.turns_in_a_while();
        assert!(turns < 40, "{turns} turns");
    }

    #[test]
    fn a_write_waits_until_the_one_before_is_acknowledged() {
        let running = fragile(Settings::default());
        let mut client = narrow_client(running.address);
        let (token, _) = running.opened();
        let (first, second) = (pattern(32_000), b"second".to_vec());
        running.send(token, first.clone());
        eventually("it is written", || running.call(move |echo, _| echo.outputs[&token].is_empty()));
        running.send(token, second.clone());
        assert_patient(&running);
        assert!(running.events.try_recv().is_err(), "acknowledged and not yet taken");
        assert_eq!(running.call(move |echo, _| echo.outputs[&token].clone()), second);

        let mut bytes = vec![0; first.len()];
        client.read_exact(&mut bytes).unwrap();
        assert!(bytes == first);
        assert_eq!(acknowledged(&running), token);
        let mut bytes = vec![0; second.len()];
        client.read_exact(&mut bytes).unwrap();
        assert_eq!(bytes, second);
        assert_eq!(acknowledged(&running), token);
    }

    #[test]
    fn draining_delivers_everything_and_then_resets() {
        let running = fragile(patient());
        for length in [1, 1_000, 32_000, 4 << 20] {
            let (mut client, token) = running.opened_client();
            running.call(move |echo, io| {
                echo.outputs.get_mut(&token).unwrap().extend(pattern(length));
                io.write(token);
                io.close(token, Close::Drain);
            });
            let (got, reset) = read_to_reset(&mut client);
            assert!(got == pattern(length), "{} of {length} bytes came", got.len());
            assert!(reset, "an end in order after {length} bytes");
            assert!(matches!(running.closed(), (closed, Closed::Asked { drained: true }) if closed == token));
        }
    }

    #[test]
    fn draining_waits_for_a_peer_that_takes_its_time() {
        let running = fragile(patient());
        let mut client = narrow_client(running.address);
        let (token, _) = running.opened();
        running.send(token, pattern(32_000));
        running.call(move |_, io| io.close(token, Close::Drain));
        assert_patient(&running);
        assert!(running.events.try_recv().is_err(), "closed and not yet taken");
        assert!(read_to_reset(&mut client) == (pattern(32_000), true));
        assert!(matches!(running.closed(), (_, Closed::Asked { drained: true })));
    }

    #[test]
    fn draining_ends_at_its_deadline() {
        let running = fragile(Settings { drain_timeout: Duration::from_millis(20), ..Settings::default() });
        let mut client = narrow_client(running.address);
        let (token, _) = running.opened();
        running.send(token, pattern(32_000));
        running.call(move |_, io| io.close(token, Close::Drain));
        assert!(matches!(running.closed(), (_, Closed::Asked { drained: false })));
        let (got, reset) = read_to_reset(&mut client);
        assert!(reset && got.len() < 32_000, "{} bytes came", got.len());
    }

    /// Nothing is read from it, so only the wait for its acknowledgement can tell.
    #[test]
    fn a_peer_that_breaks_off_is_noticed_while_its_acknowledgement_is_awaited() {
        let running = fragile(Settings::default());
        let client = narrow_client(running.address);
        let (token, _) = running.opened();
        running.call(move |_, io| io.pause_reading(token));
        running.send(token, pattern(32_000));
        // Closed over what it has not read it breaks off; without that it would end in order.
        client.peek(&mut [0]).unwrap();
        drop(client);
        let (closed, reason) = running.closed();
        assert_eq!(closed, token);
        assert!(
            matches!(&reason, Closed::Failed(error) if error.kind() == ErrorKind::ConnectionReset),
            "{reason:?}"
        );
    }

    /// The process has no descriptor for asking: a pause takes the place of the answer.
    #[test]
    fn without_an_answer_a_pause_counts_as_one() {
        const NAME: &str = "tests::fragile::on_linux::without_an_answer_a_pause_counts_as_one";
        crate::tests::harness::with_descriptors("64", NAME, || {
            let running = fragile(Settings::default());
            let mut client = narrow_client(running.address);
            let (token, _) = running.opened();
            let ballast: Vec<_> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
            running.send(token, pattern(32_000));
            assert_eq!(acknowledged(&running), token);
            drop(ballast);
            client.read_exact(&mut vec![0; 32_000]).unwrap();
        });
    }
}
