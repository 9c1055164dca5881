//! Where a hub listens and what it connects to, as `dict-server` and `logger` are told and tell.

use std::fmt;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use dict_event_loop::Address;
use dict_event_loop::server::{Listen, Server};
use dict_event_loop::tls::ServerTls;
use dict_protocol::dialect::Dialect;
use dict_protocol::link::{Link, Options};
use dict_protocol::name;

use crate::config::{Config, Keys};
use crate::run::UsageError;
use crate::stdout::Stdout;

/// The keys of a file that are flags of [`LinkArguments`].
pub(crate) const INSECURE: &str = "insecure";
pub(crate) const INSECURE_OLDER: &str = "insecure-older";
/// And the one that is a text.
pub(crate) const NAME: &str = "name";

/// What links look like, for the end of a program's `--help`.
pub const LINK_HELP: &str = "\
Links: SCHEME://HOST:PORT?OPTION=VALUE,OPTION=VALUE in quotes, as shells eat ? and &.
HOST or HOST:PORT alone is a hub's.
  dictwire://  port 7450: the protocol of hubs
      prefix=TEXT               to connect: put before the names of the other hub's sources
      token-file=FILE           to connect: the token to come with, in a file that nobody else
                                can read (chmod 600) [default: DICTWIRE_TOKEN of the environment;
                                of several hubs each needs a file]
      insecure-token=true|false to connect: whether a token is sent to another machine where
                                everybody between can read it [default: false]
  dictwires:// port 7450: the same, encrypted by TLS 1.3; `dict-server keygen` makes the files
      prefix, token-file        as there
      cert=FILE                 the certificate to show; needed to listen
      key=FILE                  its private key, which nobody else may read (chmod 600)
      ca=FILE                   the CA to trust: to listen, clients must show a certificate that
                                it signed; to connect, [default: those that this machine trusts]
      pin=SHA256                to connect: trust this one certificate, whatever its CA, name and
                                dates are
      server=NAME               to connect: the name that the certificate must be for
                                [default: HOST]
  All below:
      identity=NAME             as whom programs of this link act, where --access has rules
                                [default: the scheme]
  pytcp://     port 12345: dictionaries from a server to its clients
      source=NAME               the source that clients are served [default: all, by name], or
                                that the server's dictionary becomes [default: pytcp/HOST]
  comms://     port 3000: messages, both ways
      type=json|string|binary   what comes in [default: json]
      send=json|string|binary   what goes out [default: as type]
      order=little|big          the bytes of a message's length [default: little]
      source=NAME               a source that dictionaries which come in feed besides; needs
                                type=json
      as=state|patch            they are its whole state, or keys to set [default: state]
      relay=true|false          to listen: whether what one says is sent to all
                                [default: false]
      watch=PATTERN             sources whose dictionaries are sent
  comet://     port 65432: requests and answers
      name=NAME                 to connect, and needed there: what the program is called by those
                                who ask it
      timeout=SECONDS           to listen: how long an answer may take [default: 30]
  pingpong://  port 8889, to listen on alone: readings
      source=NAME               the source that they become [default: pingpong/HOST]";

/// `--listen`, `--connect` and `--config`, for clap to flatten into a program's arguments.
#[derive(Clone, Debug, Args)]
pub struct LinkArguments {
    /// Where to listen: HOST:PORT, or for programs of an older system pytcp://, comms://, comet:// or
    /// pingpong://HOST:PORT; may be given several times [default: 127.0.0.1:7450]
    ///
    /// Port 0 is any that is free. What is given replaces the default.
    #[arg(long, value_name = "LINK")]
    pub listen: Vec<Link>,
    /// A program of an older system to connect to: pytcp://, comms:// or comet://HOST:PORT; for a logger also another hub
    /// to record, HOST:PORT; may be given several times
    ///
    /// As pytcp://HOST?source=psu or comet://HOST?name=Telegram; the options of each follow below.
    #[arg(long, value_name = "LINK")]
    pub connect: Vec<Link>,
    /// Read options from a file: TOML with these options as keys, or the YAML of COMET's programs
    ///
    /// TOML as in: listen = ["127.0.0.1:7450", "comms://127.0.0.1:3000"]. Links of the command line are added to those of
    /// the file; of an option with one value, what the command line says counts.
    ///
    /// In YAML, Host under Socket_connection is a comet:// link to listen on, besides the default, and each Client one to
    /// connect to.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What the hub is called, as in its own source $hub/NAME [default: this machine's name, and the port]
    ///
    /// A logger that records several hubs tells them apart by it.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Listen where others than this machine can come in without TLS or without credentials, too
    ///
    /// Without it that is refused: off loopback it takes a dictwires:// link and --access.
    #[arg(long)]
    pub insecure: bool,
    /// Listen for older dialects where others than this machine can come in, too: there anybody may say anything
    #[arg(long)]
    pub insecure_older: bool,
}

/// A link, and where it was given, for people.
#[derive(Clone, Debug)]
pub struct Given {
    pub(crate) place: String,
    /// The link.
    pub link: Link,
}

impl Given {
    /// Where to listen, as the link says it.
    fn listen(&self) -> anyhow::Result<Listen> {
        let tls = ServerTls::of_link(&self.link).with_context(|| format!("{} {}", self.place, self.link))?;
        Ok(Listen { address: address(&self.link)?, tls })
    }

    /// What is wrong with the link.
    pub fn wrong(&self, text: impl fmt::Display) -> UsageError {
        UsageError(format!("{} {}: {text}", self.place, self.link))
    }
}

/// Where a hub listens and what it connects to.
#[derive(Clone, Debug)]
pub struct Links {
    /// What it is called, if somebody said.
    pub name: Option<String>,
    /// Where it listens for its own protocol.
    pub listen: Vec<Listen>,
    /// Whether that is because nothing was said.
    pub is_default: bool,
    /// Other hubs.
    pub hubs: Vec<Given>,
    /// Where it listens for programs of older systems.
    pub older_listen: Vec<Given>,
    /// Programs of older systems to connect to.
    pub older_connect: Vec<Given>,
    /// Whether it may listen for strangers.
    pub insecure: bool,
    /// Whether it may listen for strangers in older dialects.
    pub insecure_older: bool,
}

impl LinkArguments {
    /// All links of the command line and the file, and what else is in the file.
    ///
    /// # Errors
    ///
    /// If the file cannot be read; [`UsageError`] if it, or a link, says what cannot be.
    pub fn read(&self, keys: Keys) -> anyhow::Result<(Links, Config)> {
        let config = match &self.config {
            Some(path) => Config::read(path, keys)?,
            None => Config::default(),
        };
        Ok((self.with(&config)?, config))
    }

    /// The links of the command line, and those of a file.
    fn with(&self, config: &Config) -> anyhow::Result<Links> {
        let listen = || given("--listen", &self.listen).chain(config.listen.iter().cloned());
        let connect = given("--connect", &self.connect).chain(config.connect.iter().cloned());
        let is_default = listen().next().is_none();
        let own = is_default.then(|| Given { place: "by default".to_owned(), link: Link::default() });
        let is_native = |given: &Given| given.link.dialect() == Dialect::Native;
        let (native, older_listen): (Vec<_>, Vec<_>) =
            own.into_iter().chain(listen()).chain(config.host.iter().cloned()).partition(is_native);
        let (hubs, older_connect): (Vec<_>, Vec<_>) = connect.partition(is_native);
        native.iter().chain(&older_listen).try_for_each(check_listen)?;
        older_connect.iter().try_for_each(check_connect)?;
        check_names(&older_connect)?;
        let listen = native.iter().map(Given::listen).collect::<anyhow::Result<_>>()?;
        let insecure = self.insecure || config.flag(INSECURE);
        let insecure_older = self.insecure_older || config.flag(INSECURE_OLDER);
        let name = self.name.as_deref().or(config.text(NAME)).map(str::to_owned);
        if let Some(name) = &name {
            // Of its length the server has the limit.
            name::validate(name, usize::MAX)
                .map_err(|error| UsageError(format!("name {name:?}: {error}")))?;
        }
        Ok(Links { name, listen, is_default, hubs, older_listen, older_connect, insecure, insecure_older })
    }
}

fn given(place: &str, links: &[Link]) -> impl Iterator<Item = Given> {
    links.iter().map(move |link| Given { place: place.to_owned(), link: link.clone() })
}

/// Whether a link's options suit one to listen on.
fn check_listen(given: &Given) -> Result<(), UsageError> {
    let options = given.link.options();
    if !options.prefix.is_empty() {
        return Err(given.wrong("a prefix is for links to connect to"));
    }
    if options.token_file.is_some() || options.insecure_token {
        return Err(given.wrong("a token is for links to connect to (--access says who may come here)"));
    }
    if options.tls.pin.is_some() || options.tls.server.is_some() {
        return Err(given.wrong("pin and server are for links to connect to: they tell whom to trust there"));
    }
    if given.link.is_encrypted() && options.tls.cert.is_none() {
        return Err(given.wrong(
            "add ?cert=FILE,key=FILE, the certificate to show and its private key (`dict-server keygen` makes them)",
        ));
    }
    if options.name.is_some() {
        return Err(given.wrong("a name is for links to connect to: it tells what is there"));
    }
    Ok(())
}

/// Whether something of an older dialect can be connected to, and its options say enough.
fn check_connect(given: &Given) -> Result<(), UsageError> {
    match given.link.dialect() {
        Dialect::Comet if given.link.options().name.is_none() => {
            Err(given.wrong("add ?name=NAME, the name by which others are to ask that program"))
        }
        Dialect::Comet if given.link.options().timeout != Options::TIMEOUT => {
            Err(given.wrong("a timeout is for links to listen on: here whoever asks says how long it waits"))
        }
        Dialect::PingPong => Err(given.wrong(format_args!(
            "a hub connects to no ping server; `dict-client --hub {} ping` measures it",
            given.link
        ))),
        _ => Ok(()),
    }
}

/// Whether each program that is asked by its name has one of its own.
fn check_names(connect: &[Given]) -> Result<(), UsageError> {
    for (place, given) in connect.iter().enumerate() {
        if let Some(name) = &given.link.options().name
            && let Some(other) =
                connect[..place].iter().find(|other| other.link.options().name.as_ref() == Some(name))
        {
            return Err(given.wrong(format_args!("{name:?} is the name of {} already", other.link)));
        }
    }
    Ok(())
}

impl Links {
    /// Opens the links of older dialects, and returns where those listen that do.
    ///
    /// # Errors
    ///
    /// If an address cannot be listened on, or a host cannot be one.
    pub fn open_older(&self, server: &mut Server) -> anyhow::Result<Vec<(Dialect, SocketAddr)>> {
        let mut open = |given: &Given| Ok((given.link.dialect(), dict_gateway::listen(server, &given.link)?));
        let listening = self.older_listen.iter().map(&mut open).collect::<anyhow::Result<Vec<_>>>()?;
        for given in &self.older_connect {
            if listening.iter().any(|(dialect, address)| leads_to(&given.link, *dialect, *address)) {
                let text = "this program listens there itself: what it says would come back to it for ever";
                return Err(given.wrong(text).into());
            }
            dict_gateway::connect(server, &given.link)?;
        }
        Ok(listening)
    }
}

/// Whether a link leads to a listener of this program, as far as can be told without asking for names.
fn leads_to(link: &Link, dialect: Dialect, address: SocketAddr) -> bool {
    let is_there = match link.host().parse::<IpAddr>() {
        Ok(ip) => ip == address.ip() || (address.ip().is_unspecified() && ip.is_loopback()),
        Err(_) => link.host().eq_ignore_ascii_case("localhost"),
    };
    is_there && link.dialect() == dialect && link.port() == address.port()
}

/// Tells where a hub listens, a line each: for its own protocol, in the order of `links`, and for older dialects.
///
/// # Errors
///
/// If standard output cannot be written.
pub fn print_listening(
    links: &Links,
    native: &[SocketAddr],
    older: &[(Dialect, SocketAddr)],
) -> io::Result<()> {
    let mut out = Stdout::new();
    for (listen, address) in links.listen.iter().zip(native) {
        let scheme = if listen.tls.is_some() { "dictwires://" } else { "" };
        writeln!(out, "listening on {scheme}{address}")?;
    }
    for (dialect, address) in older {
        writeln!(out, "listening on {}://{address}", dialect.scheme())?;
    }
    out.flush()
}

/// A link's host and port.
///
/// # Errors
///
/// [`UsageError`] if the host cannot be one.
pub fn address(link: &Link) -> anyhow::Result<Address> {
    Address::new(link.host(), link.port()).map_err(|error| UsageError(format!("{link}: {error}")).into())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn read(listen: &[&str], connect: &[&str], file: &str) -> anyhow::Result<Links> {
        let parse = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        let (listen, connect) = (parse(listen), parse(connect));
        let arguments = LinkArguments {
            listen,
            connect,
            config: None,
            name: None,
            insecure: false,
            insecure_older: false,
        };
        arguments.with(&Config::parse(Path::new("lab"), file, Keys::SERVER)?)
    }

    fn told(links: &[Given]) -> Vec<String> {
        links.iter().map(|given| format!("{} {}", given.place, given.link)).collect()
    }

    fn native(links: &Links) -> Vec<String> {
        links.listen.iter().map(|listen| listen.address.to_string()).collect()
    }

    #[test]
    fn what_is_listened_on_replaces_the_default() {
        let links = read(&[], &["a?prefix=b/", "pytcp://c?source=d"], "listen = []").unwrap();
        assert_eq!((native(&links), links.is_default), (vec!["127.0.0.1:7450".to_owned()], true));
        assert_eq!(told(&links.hubs), ["--connect a:7450?prefix=b/"]);
        assert_eq!(told(&links.older_connect), ["--connect pytcp://c:12345?source=d"]);

        for (listen, file) in [(&["comms://a:0"][..], "listen = []"), (&[], "listen = 'comms://a:0'")] {
            let links = read(listen, &[], file).unwrap();
            assert_eq!((native(&links), links.is_default), (vec![], false));
            assert_eq!(links.older_listen[0].link.to_string(), "comms://a:0");
        }
    }

    #[test]
    fn links_of_the_command_line_and_of_a_file_count() {
        let file = "listen = ['a:1', 'pingpong://a']\nconnect = ['b:1', 'comet://b?name=c']";
        let links = read(&["a:2"], &["b:2"], file).unwrap();
        assert_eq!(native(&links), ["a:2", "a:1"]);
        assert_eq!(told(&links.older_listen), ["lab, line 1: listen pingpong://a:8889"]);
        assert_eq!(told(&links.hubs), ["--connect b:2", "lab, line 2: connect b:1"]);
        assert_eq!(told(&links.older_connect), ["lab, line 2: connect comet://b:65432?name=c"]);
    }

    #[test]
    fn comets_host_replaces_nothing() {
        let file = "Socket_connection: {Host: {IP: a, Port: 1}, Client: {b: {IP: c, Port: 2}}}";
        let links = read(&[], &[], file).unwrap();
        assert_eq!((native(&links), links.is_default), (vec!["127.0.0.1:7450".to_owned()], true));
        assert_eq!(told(&links.older_listen), ["lab: Host comet://a:1"]);
        assert_eq!(told(&links.older_connect), ["lab: Client comet://c:2?name=b"]);
        assert_eq!(native(&read(&["d"], &[], file).unwrap()), ["d:7450"]);
    }

    #[test]
    fn options_for_the_other_side_are_refused() {
        for (listen, connect, error) in [
            ("a?prefix=b", "a", "--listen a:7450?prefix=b: a prefix is for links to connect to"),
            ("comet://a?name=b", "a", "--listen comet://a:65432?name=b: a name is for links to connect to"),
            ("a", "comet://a", "--connect comet://a:65432: add ?name=NAME"),
            (
                "a",
                "comet://a?name=b,timeout=3",
                "--connect comet://a:65432?name=b&timeout=3: a timeout is for links to listen on",
            ),
            (
                "dictwires://a",
                "a",
                "--listen dictwires://a:7450: add ?cert=FILE,key=FILE, the certificate to show",
            ),
            (
                "dictwires://a?cert=b,key=c,server=d",
                "a",
                "--listen dictwires://a:7450?cert=b&key=c&server=d: pin and server are for links to connect to",
            ),
            (
                "a",
                "pingpong://a:1",
                "--connect pingpong://a:1: a hub connects to no ping server; `dict-client",
            ),
        ] {
            let refused = read(&[listen], &[connect], "listen = []").unwrap_err();
            assert!(refused.downcast_ref::<UsageError>().is_some(), "{refused}");
            assert!(refused.to_string().starts_with(error), "{refused}");
        }
        let refused = read(&[], &[], "\nlisten = 'a?prefix=b'").unwrap_err().to_string();
        assert!(refused.starts_with("lab, line 2: listen a:7450?prefix=b: a prefix"), "{refused}");
    }
}
