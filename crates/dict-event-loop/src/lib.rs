//! TCP for Dictwire: an event loop that drives one state machine on many sockets, in one thread.
//!
//! An [`Application`] knows what to say and nothing of sockets; an [`EventLoop`] knows sockets and nothing of what is
//! said.
//! One turn of the loop:
//!
//! 1. wait for events, until the next deadline at most; read both clocks, once ([`Io::now`]);
//! 2. call [`woken`](Application::woken) if another thread asked for it, and do what timers of links, listeners and
//!    [fragile](Io::fragile) connections say: [`acknowledged`](Application::acknowledged);
//! 3. accept new connections and connect links: [`opened`](Application::opened);
//! 4. read once from every connection that has input, into one buffer that all share:
//!    [`received`](Application::received). One that filled the buffer is served again next turn, after all others, so
//!    nobody starves and nothing is left lying;
//! 5. call [`timeout`](Application::timeout) if it is due, however much else happened;
//! 6. call [`end_of_turn`](Application::end_of_turn): the place to collect what the turn's events made to be sent;
//! 7. write once to every connection that [`Io::write`] named: [`output`](Application::output), then
//!    [`written`](Application::written). Interest in writing is registered only while the system takes no more. A
//!    fragile connection is left out until its last write is acknowledged.
//!
//! So a request and its answer cost one wait, one read and one write. An idle connection costs about a hundred bytes
//! and owns no buffer.
//!
//! Bytes are the application's on both sides: it keeps what is unfinished of its input, and its output until it is
//! written. No error of a socket ends the loop. When a process is out of descriptors its listeners rest a moment, and
//! the connections that it has go on.
//!
//! A connection may be encrypted ([`tls`]): then it is written to once its handshake is over, and "once" is as often as it
//! takes to write all output, or to read until the buffer is full. What rustls has decrypted and the buffer does not hold
//! is read in the next turn, without an event.
//!
//! # Example
//!
//! A server that sends back what it gets, for one connection:
//!
//! ```
//! use std::collections::HashMap;
//! use std::io::{Read, Write};
//! use std::net::{Shutdown, SocketAddr, TcpStream};
//!
//! use dict_event_loop::{Application, Closed, EventLoop, Io, Token, Via};
//!
//! #[derive(Default)]
//! struct Echo {
//!     outputs: HashMap<Token, Vec<u8>>,
//! }
//!
//! impl Application for Echo {
//!     fn opened(&mut self, _: &mut Io<'_>, token: Token, _: Via, _: SocketAddr) {
//!         self.outputs.insert(token, Vec::new());
//!     }
//!     fn received(&mut self, io: &mut Io<'_>, token: Token, bytes: &[u8]) {
//!         self.outputs.entry(token).or_default().extend_from_slice(bytes);
//!         io.write(token);
//!     }
//!     fn output(&mut self, token: Token) -> &[u8] {
//!         self.outputs.get(&token).map_or(&[], Vec::as_slice)
//!     }
//!     fn written(&mut self, _: &mut Io<'_>, token: Token, length: usize) {
//!         self.outputs.entry(token).or_default().drain(..length);
//!     }
//!     fn closed(&mut self, io: &mut Io<'_>, token: Token, _: Closed) {
//!         self.outputs.remove(&token);
//!         io.stop();
//!     }
//! }
//!
//! let mut event_loop = EventLoop::new()?;
//! let listening = event_loop.io().listen(&"127.0.0.1:0".parse()?)?;
//! let client = std::thread::spawn(move || {
//!     let mut stream = TcpStream::connect(listening.address)?;
//!     stream.write_all(b"voltage = 5.0")?;
//!     stream.shutdown(Shutdown::Write)?;
//!     let mut answer = String::new();
//!     stream.read_to_string(&mut answer)?;
//!     std::io::Result::Ok(answer)
//! });
//! event_loop.run(Echo::default())?;
//! assert_eq!(client.join().expect("the client does not panic")?, "voltage = 5.0");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod address;
mod application;
mod backoff;
pub mod client;
mod clock;
mod connection;
mod error;
mod event_loop;
mod fragile;
mod identity;
mod io;
mod link;
mod listener;
mod platform;
pub mod private;
mod resolver;
mod secret;
pub mod server;
mod settings;
mod sockets;
mod strangers;
mod timers;
pub mod tls;
mod token;
mod transfer;
mod waker;

#[cfg(test)]
mod tests;

pub use address::Address;
pub use application::{Application, Close, Closed, LinkId, ListenerId, Retry, Via};
pub use clock::Clock;
pub use error::{AddressError, LinkError, ListenError, LoopError};
pub use event_loop::EventLoop;
pub use identity::random_id;
pub use io::{Io, Listening};
pub use secret::{TokenError, check_token, may_send_token, read_token, token_is_withheld};
pub use settings::Settings;
pub use token::Token;
pub use waker::Waker;
