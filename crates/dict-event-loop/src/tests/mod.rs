//! The loop on real sockets of this machine. Nothing here asserts how long something takes: what has to happen is
//! waited for.

mod accepting;
mod closing;
mod fragile;
pub(crate) mod harness;
mod links;
mod timing;
mod transfer;
