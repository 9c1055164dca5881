//! Servers and their parties, over real sockets of this machine.

mod ending;
mod puppet;
mod streams;
