//! A server as a process, with its own port and folder.

use std::fs::File;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use dictwire_tests::programs::PATIENCE;
use tempfile::TempDir;

use crate::trouble::{Result, Trouble, While, wrong};

/// A server that listens on this machine alone; ended, and its folder removed, when it is dropped.
pub(crate) struct Server {
    name: &'static str,
    child: Child,
    port: u16,
    folder: TempDir,
}

impl Server {
    /// Starts what `command` makes of a free port and of a new folder in `place`, and waits until it listens.
    pub(crate) fn start(
        name: &'static str,
        place: &Path,
        command: impl FnOnce(u16, &Path) -> Result<Command>,
    ) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("dictwire-compare-").tempdir_in(place);
        let folder = folder.trying(|| format!("a folder for {name} in {}", place.display()))?;
        let port = free_port().trying(|| format!("a free port for {name}"))?;
        let errors = folder.path().join("stderr");
        let stderr = File::create(&errors).trying(|| format!("creating {}", errors.display()))?;
        let mut command = command(port, folder.path())?;
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).spawn();
        let child = child.map_err(|error| match error.kind() {
            ErrorKind::NotFound => Trouble::LeftOut(format!("{name}: not installed")),
            _ => Trouble::System { what: format!("starting {name}"), error },
        })?;
        let mut server = Self { name, child, port, folder };
        server.wait_until_it_listens(&errors)?;
        Ok(server)
    }

    fn wait_until_it_listens(&mut self, errors: &Path) -> Result<()> {
        let started = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            let ended = self.child.try_wait().trying(|| format!("looking after {}", self.name))?;
            if ended.is_some() || started.elapsed() > PATIENCE {
                let said = std::fs::read_to_string(errors).unwrap_or_default();
                let last = said.lines().last().unwrap_or_default();
                return Err(wrong(self.name, format!("does not listen on port {}: {last}", self.port)));
            }
            sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Its folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A connection to it, on which nothing is waited for longer than [`PATIENCE`].
    pub(crate) fn connect(&self) -> Result<TcpStream> {
        connect(self.name, self.port)
    }

    /// Resident memory, KiB (Linux).
    pub(crate) fn resident_kib(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(&path).trying(|| format!("reading {path}"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|rest| rest.split_whitespace().next()).and_then(|kib| kib.parse().ok());
        kib.ok_or_else(|| wrong(self.name, format!("{path} does not tell its memory")))
    }

    /// Open descriptors (Linux).
    pub(crate) fn descriptors(&self) -> Result<usize> {
        let path = format!("/proc/{}/fd", self.child.id());
        Ok(std::fs::read_dir(&path).trying(|| format!("reading {path}"))?.count())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nobody is left to be told if it has gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// A connection to a port of this machine.
pub(crate) fn connect(name: &str, port: u16) -> Result<TcpStream> {
    let open = || {
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(socket)
    };
    open().trying(|| format!("connecting to {name}"))
}
