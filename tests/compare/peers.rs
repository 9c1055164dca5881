//! The servers that are compared with, and how each is set.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::server::Server;
use crate::trouble::{Result, Trouble, While};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Nats,
    JetStream,
    Redis,
    /// Every append is synced before it is acknowledged.
    RedisAlways,
    /// Appends are synced once a second.
    RedisEverysec,
    Mosquitto,
}

impl Peer {
    pub(crate) const ALL: [Self; 6] =
        [Self::Nats, Self::JetStream, Self::Redis, Self::RedisAlways, Self::RedisEverysec, Self::Mosquitto];
    /// Those that pass on what is not kept.
    pub(crate) const SERVERS: [Self; 3] = [Self::Nats, Self::Redis, Self::Mosquitto];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nats => "NATS",
            Self::JetStream => "JetStream, file",
            Self::Redis => "Redis",
            Self::RedisAlways => "Redis, appendfsync always",
            Self::RedisEverysec => "Redis, appendfsync everysec",
            Self::Mosquitto => "mosquitto",
        }
    }

    pub(crate) fn is_redis(self) -> bool {
        matches!(self, Self::Redis | Self::RedisAlways | Self::RedisEverysec)
    }

    /// Its program, and so the Debian package that has it.
    fn program(self) -> &'static str {
        match self {
            Self::Nats | Self::JetStream => "nats-server",
            Self::Redis | Self::RedisAlways | Self::RedisEverysec => "redis-server",
            Self::Mosquitto => "mosquitto",
        }
    }

    /// What it is told, besides where to listen and where its folder is.
    pub(crate) fn settings(self) -> &'static str {
        match self {
            Self::Nats => "nothing else",
            Self::JetStream => "-js, one stream with storage file",
            Self::Redis => "--save '' --client-output-buffer-limit 'pubsub 0 0 0'",
            Self::RedisAlways => {
                "--save '' --appendonly yes --appendfsync always --auto-aof-rewrite-percentage 0"
            }
            Self::RedisEverysec => {
                "--save '' --appendonly yes --appendfsync everysec --auto-aof-rewrite-percentage 0"
            }
            Self::Mosquitto => "max_queued_messages 0, set_tcp_nodelay true, QoS 0",
        }
    }

    /// Starts it with a folder in `place`.
    pub(crate) fn start(self, place: &Path) -> Result<Server> {
        self.version()?;
        Server::start(self.name(), place, |port, folder| self.command(port, folder))
    }

    /// What it calls its version.
    pub(crate) fn version(self) -> Result<String> {
        // mosquitto has no option for it; its help begins with it.
        let option = if self == Self::Mosquitto { "-h" } else { "--version" };
        let mut command = self.bare_command();
        let output = command.arg(option).stdin(Stdio::null()).output().map_err(|_| {
            let program = self.program();
            Trouble::LeftOut(format!("{program}: not installed (apt-get install {program})"))
        })?;
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(text.lines().next().unwrap_or("version unknown").trim().to_owned())
    }

    fn bare_command(self) -> Command {
        // Debian puts servers where a user's PATH may not lead.
        let program = self.program();
        let sbin = format!("/usr/sbin/{program}");
        Command::new(if Path::new(&sbin).exists() { &sbin } else { program })
    }

    fn command(self, port: u16, folder: &Path) -> Result<Command> {
        let mut command = self.bare_command();
        let port = port.to_string();
        command.current_dir(folder);
        match self {
            Self::Nats => command.args(["-a", "127.0.0.1", "-p", &port]),
            Self::JetStream => command.args(["-a", "127.0.0.1", "-p", &port, "-js", "-sd"]).arg(folder),
            Self::Redis => redis(&mut command, &port).args([
                "--appendonly",
                "no",
                "--client-output-buffer-limit",
                "pubsub 0 0 0",
            ]),
            Self::RedisAlways => {
                redis(&mut command, &port).args(["--appendonly", "yes", "--appendfsync", "always"])
            }
            Self::RedisEverysec => {
                redis(&mut command, &port).args(["--appendonly", "yes", "--appendfsync", "everysec"])
            }
            Self::Mosquitto => {
                let file = folder.join("mosquitto.conf");
                let text = format!(
                    "listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nset_tcp_nodelay true\n"
                );
                std::fs::write(&file, text).trying(|| format!("writing {}", file.display()))?;
                command.arg("-c").arg(file)
            }
        };
        Ok(command)
    }
}

/// Without what would be done besides the work: snapshots, and writing its file anew when that has doubled.
fn redis<'c>(command: &'c mut Command, port: &str) -> &'c mut Command {
    let alone = ["--save", "", "--auto-aof-rewrite-percentage", "0"];
    command.args(["--port", port, "--bind", "127.0.0.1", "--dir", "."]).args(alone)
}
