//! The file that COMET's own programs have, as it is:
//!
//! ```yaml
//! Socket_connection:
//!     Host:                  # comet://127.0.0.2:65432 to listen on
//!       IP: 127.0.0.2
//!       Port: 65432
//!     Client:
//!       Telegram:            # comet://127.0.0.4:65432?name=Telegram to connect to
//!         IP: 127.0.0.4
//!         Port: 65432
//! ```
//!
//! All of it may stand under `settings:`, `Host` and `Client` may stand alone, and `Client` may be one address without a
//! name, which is then called by its `IP`. Other sections, which mean something to the original alone, are passed over.
//!
//! The file says nothing about the native protocol: a hub listens natively where it would without the file.

use std::fmt;

use dict_protocol::dialect::Dialect;
use dict_protocol::link::{Link, LinkError};
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde_saphyr::DuplicateKeyPolicy;

use super::{Config, File};
use crate::links::Given;
use crate::run::UsageError;

pub(super) fn read(file: &File<'_>) -> anyhow::Result<Config> {
    let options = serde_saphyr::options! {
        // As the original reads it.
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        with_snippet: false,
        // More than any such file needs; without a bound, a few lines of anchors of anchors would take seconds.
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 1_000 },
    };
    let sections: Option<Sections> = serde_saphyr::from_str_with_options(file.text, options)
        // The error says at which line and column.
        .map_err(|error| UsageError(format!("{}: {error} ({SHAPE})", file.name)))?;
    let mut config = Config::default();
    sections.unwrap_or_default().add_to(file, &mut config);
    if config.host.is_none() && config.connect.is_empty() {
        let text =
            format!("{}: there is no Host to listen on and no Client to connect to ({SHAPE})", file.name);
        return Err(UsageError(text).into());
    }
    Ok(config)
}

const SHAPE: &str =
    "in Socket_connection, Host has an IP and a Port, and Client has names, each with an IP and a Port";

/// What may stand at the top, and within `settings` and `Socket_connection`.
#[derive(Debug, Default, serde::Deserialize)]
struct Sections {
    #[serde(rename = "Host")]
    host: Option<Endpoint>,
    #[serde(rename = "Client")]
    client: Option<Clients>,
    #[serde(rename = "Socket_connection")]
    socket_connection: Option<Box<Sections>>,
    settings: Option<Box<Sections>>,
}

impl Sections {
    fn add_to(self, file: &File<'_>, config: &mut Config) {
        let given = |section, link| Given { place: format!("{}: {section}", file.name), link };
        if let Some(Endpoint(link)) = self.host {
            config.host = Some(given("Host", link));
        }
        if let Some(Clients(links)) = self.client {
            config.connect.extend(links.into_iter().map(|link| given("Client", link)));
        }
        for sections in [self.socket_connection, self.settings].into_iter().flatten() {
            sections.add_to(file, config);
        }
    }
}

/// An address.
#[derive(Debug, serde::Deserialize)]
#[serde(try_from = "Address")]
struct Endpoint(Link);

#[derive(Debug, serde::Deserialize)]
struct Address {
    #[serde(rename = "IP")]
    ip: String,
    #[serde(rename = "Port")]
    port: Port,
}

impl TryFrom<Address> for Endpoint {
    type Error = LinkError;

    fn try_from(Address { ip, port }: Address) -> Result<Self, LinkError> {
        link(&ip, port, None).map(Self)
    }
}

/// A number from 0 to 65535.
#[derive(Clone, Copy, Debug)]
struct Port(u16);

impl<'de> Deserialize<'de> for Port {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = i64::deserialize(deserializer)?;
        let error = || de::Error::custom(LinkError::Port { port: number.to_string() });
        u16::try_from(number).map(Self).map_err(|_| error())
    }
}

/// Named addresses, or one that has no name.
#[derive(Debug)]
struct Clients(Vec<Link>);

impl<'de> Deserialize<'de> for Clients {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ClientsVisitor)
    }
}

struct ClientsVisitor;

impl<'de> Visitor<'de> for ClientsVisitor {
    type Value = Clients;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("clients by name, each with IP and Port")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Clients, A::Error> {
        let (mut links, mut ip, mut port) = (Vec::new(), None, None);
        while let Some(key) = map.next_key::<String>()? {
            match &*key {
                "IP" => ip = Some(map.next_value::<String>()?),
                "Port" => port = Some(map.next_value()?),
                name => {
                    let Endpoint(client) = map.next_value()?;
                    let client = link(client.host(), Port(client.port()), Some(name));
                    // Of two that are called the same, the last counts.
                    links.retain(|link: &Link| link.options().name.as_deref() != Some(name));
                    links.push(client.map_err(de::Error::custom)?);
                }
            }
        }
        match (ip, port) {
            (Some(ip), Some(port)) => links.push(link(&ip, port, Some(&ip)).map_err(de::Error::custom)?),
            (None, None) => {}
            (Some(_), None) => return Err(de::Error::missing_field("Port")),
            (None, Some(_)) => return Err(de::Error::missing_field("IP")),
        }
        Ok(Clients(links))
    }
}

fn link(host: &str, Port(port): Port, name: Option<&str>) -> Result<Link, LinkError> {
    let name = name.map(|name| ("name", name.into()));
    if host.contains(':') && !host.starts_with('[') {
        return Link::new(Dialect::Comet, &format!("[{host}]"), port, name);
    }
    Link::new(Dialect::Comet, host, port, name)
}
