//! Programs of four older systems, unchanged, at a native hub.
//!
//! A gateway stands on one [`Link`] of an older dialect: it listens for programs, or connects to one. To them it speaks
//! their dialect, as `dict_protocol::dialect` has its bytes; to the server's own hub it is an ordinary native client, on
//! local streams. So what an older program says reaches watchers, handlers and loggers as if a native program had said
//! it, by the same rules, and nothing in the hub knows of dialects.
//!
//! | dialect | listening | connecting |
//! |---|---|---|
//! | pytcp | serves a source, or all, to any number of clients | records a server's dictionary |
//! | comms | messages both ways; a dictionary is a source if the link says which | the same |
//! | comet | asks the hub whatever a client asks, and always answers | a client of the hub that answers by asking a server |
//! | pingpong | answers at once; each client's readings are a source | |
//!
//! Each program that is connected, a **peer**, is a client of the hub of its own, called `<dialect>/<host>`, and `#2` for
//! a second one from there: it is seen to come and go, it can be sent messages, it is the caller of its requests. The
//! gateway itself is one more client: it writes the sources and watches. What could not be recorded is a gap: a source
//! ends with its peer, and begins again after a loss that is stated.
//!
//! No older dialect can say who a program is. Where the hub has rules of access, whoever comes by a link acts as the identity
//! that is named by its option `identity`, or else by its dialect: what the rules do not grant that one, no peer may do.
//!
//! How the peers of each dialect behave, and what that takes, stands with each module. What all of them need, streams and
//! seats at the hub, is in `streams`; how a dictionary becomes a source, in `feed`.
//!
//! ```
//! use dict_event_loop::server::{Server, Settings};
//!
//! let mut server = Server::new(Settings { listen: vec!["127.0.0.1:0".parse()?], ..Settings::default() })?;
//! let address = dict_gateway::listen(&mut server, &"comms://127.0.0.1:0?order=big".parse()?)?;
//! println!("listening on comms://{address}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![doc = include_str!("../PARITY.md")]
#![forbid(unsafe_code)]

mod comet;
mod comms;
mod complaint;
mod feed;
mod gateway;
mod peers;
mod pingpong;
mod pytcp;
mod streams;
mod target;
mod told;

use std::net::SocketAddr;

use dict_event_loop::Address;
use dict_event_loop::server::{Server, ServerError};
use dict_protocol::dialect::Dialect;
use dict_protocol::link::Link;

use gateway::{Dialogue, Gateway};

/// Lets programs of an older dialect connect to a server at `link`; returns where it listens, with the port that the
/// system chose.
///
/// # Errors
///
/// If the address cannot be listened on, or the link is native: those are the server's own.
pub fn listen(server: &mut Server, link: &Link) -> Result<SocketAddr, ServerError> {
    let dialogue: Box<dyn Dialogue> = match link.dialect() {
        Dialect::PyTcp => Box::new(pytcp::Serving::new(link)),
        Dialect::Comms => Box::new(comms::Comms::new(link, None)),
        Dialect::Comet => Box::new(comet::Comet::new(link)),
        Dialect::PingPong => Box::new(pingpong::PingPong::new(link)),
        Dialect::Native => return Err(unsuitable(link, "a server listens natively by itself")),
    };
    let address = address(link)?;
    let gateway = Gateway::new(server.name(), server.limits(), link, dialogue);
    let addresses = server.add_party(Box::new(gateway), &[address])?;
    Ok(addresses[0])
}

/// Connects a server to the program of an older dialect at `link`, for ever: whenever that is lost it is tried again, with
/// delays that grow to 2 s.
///
/// # Errors
///
/// If the host cannot be one, or nothing can be done with such a link: natively a hub connects to nobody, and a ping/pong
/// server has nothing to tell.
pub fn connect(server: &mut Server, link: &Link) -> Result<(), ServerError> {
    let address = address(link)?;
    let dialogue: Box<dyn Dialogue> = match link.dialect() {
        Dialect::PyTcp => Box::new(pytcp::Recording::new(link, address)),
        Dialect::Comms => Box::new(comms::Comms::new(link, Some(address))),
        Dialect::Comet => Box::new(target::Target::new(link, address)),
        Dialect::PingPong => {
            return Err(unsuitable(link, "a ping/pong server is measured by dict-client ping"));
        }
        Dialect::Native => return Err(unsuitable(link, "a hub connects to no other hub")),
    };
    let gateway = Gateway::new(server.name(), server.limits(), link, dialogue);
    server.add_party(Box::new(gateway), &[])?;
    Ok(())
}

fn address(link: &Link) -> Result<Address, ServerError> {
    Address::new(link.host(), link.port()).map_err(|error| unsuitable(link, &error.to_string()))
}

fn unsuitable(link: &Link, reason: &str) -> ServerError {
    ServerError::Party(format!("{link}: {reason}"))
}
