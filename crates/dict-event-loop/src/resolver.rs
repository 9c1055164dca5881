//! Looking host names up without holding up the loop.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;

use crate::address::Address;
use crate::application::LinkId;
use crate::waker::Waker;

/// Starts look-ups and collects their results.
///
/// Each has a thread of its own for as long as it takes: the system's resolver cannot be interrupted, and one dead name
/// server must not keep other links waiting. A link has one look-up at a time, so there are never more threads than
/// links (counting those dropped meanwhile, until the system gives up).
pub(crate) struct Resolver {
    sender: mpsc::Sender<Resolution>,
    receiver: mpsc::Receiver<Resolution>,
    waker: Waker,
}

/// What became of a look-up.
pub(crate) struct Resolution {
    pub(crate) link: LinkId,
    pub(crate) addresses: io::Result<Vec<SocketAddr>>,
}

impl Resolver {
    /// `waker` is used when a result is there to be collected.
    pub(crate) fn new(waker: Waker) -> Self {
        let (sender, receiver) = mpsc::channel();
        Self { sender, receiver, waker }
    }

    /// Starts to look `address` up for `link`; an error if there is no thread to be had.
    pub(crate) fn start(&self, link: LinkId, address: Address) -> io::Result<()> {
        let sender = self.sender.clone();
        let waker = self.waker.clone();
        let look_up = move || {
            let addresses = address.resolve();
            // Nobody receives once the loop is gone.
            if sender.send(Resolution { link, addresses }).is_ok() {
                waker.wake();
            }
        };
        thread::Builder::new().name("resolver".to_owned()).spawn(look_up)?;
        Ok(())
    }

    pub(crate) fn finished(&self) -> Option<Resolution> {
        self.receiver.try_recv().ok()
    }
}
