//! What rustls is to do, as links and their files say.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dict_protocol::link::{Link, Tls};
use rustls::client::{Resumption, WebPkiServerVerifier, danger::ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, version};

use super::TlsError;
use super::pinned::Pinned;
use super::stream::{Role, Stream};
use crate::private;

/// What a client says that it wants to speak.
const APPLICATION_PROTOCOL: &[u8] = b"dictwire";

/// What a listener needs for TLS: its certificate, and perhaps the CA of those whom it lets in.
#[derive(Clone)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
}

/// What a link needs for TLS: whom to trust, and perhaps a certificate of its own.
#[derive(Clone)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    /// What the other end's certificate has to be for.
    name: ServerName<'static>,
}

impl ServerTls {
    /// What a link to listen on says; `None` if it is not encrypted.
    ///
    /// # Errors
    ///
    /// If the link names no certificate and key, a file cannot be read or used, or (on Unix) others can read the key.
    pub fn of_link(link: &Link) -> Result<Option<Self>, TlsError> {
        if !link.is_encrypted() {
            return Ok(None);
        }
        let Tls { ca, cert, key, .. } = &link.options().tls;
        let (Some(cert), Some(key)) = (cert, key) else { return Err(TlsError::NothingToShow) };
        Self::from_files(Path::new(cert), Path::new(key), ca.as_ref().map(Path::new)).map(Some)
    }

    /// Shows `certificate` (and the further ones in that file, as those between it and its CA), whose private key is in
    /// `key`. With `authority` only those who show a certificate that this CA signed are let in.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or used, or (on Unix) others can read the key.
    pub fn from_files(certificate: &Path, key: &Path, authority: Option<&Path>) -> Result<Self, TlsError> {
        let provider = provider();
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&version::TLS13])
            .map_err(|error| TlsError::Setup(error.to_string()))?;
        let builder = match authority {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(roots(path)?.into(), provider);
                let verifier = verifier.build().map_err(|error| TlsError::Setup(error.to_string()))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let pair = Pair::read(certificate, key)?;
        let mut config = builder
            .with_single_cert(pair.chain, pair.key)
            .map_err(|error| wrong_pair(certificate, key, &error))?;
        config.alpn_protocols = vec![APPLICATION_PROTOCOL.to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Self { config: Arc::new(config) })
    }

    /// The state of a connection that was accepted.
    pub(crate) fn accept(&self) -> Result<Stream, rustls::Error> {
        let connection = rustls::ServerConnection::new(self.config.clone())?;
        Ok(Stream::new(Connection::Server(connection), Role::Server))
    }
}

impl ClientTls {
    /// What a link to connect to says; `None` if it is not encrypted.
    ///
    /// | the link says | a certificate is trusted if |
    /// |---|---|
    /// | `pin=SHA256` | it is this one: not looked at are its name, its dates, and who signed it |
    /// | `ca=FILE` | that CA signed it, it is for the link's host or `server=NAME`, and its dates are right |
    /// | neither | the same, of any CA that this machine trusts |
    ///
    /// # Errors
    ///
    /// If a file cannot be read or used, (on Unix) others can read the key, or there can be no certificate for the host.
    pub fn of_link(link: &Link) -> Result<Option<Self>, TlsError> {
        if !link.is_encrypted() {
            return Ok(None);
        }
        let Tls { ca, cert, key, pin, server } = &link.options().tls;
        let provider = provider();
        let verifier: Arc<dyn ServerCertVerifier> = match (pin, ca) {
            (Some(pin), _) => Arc::new(Pinned::new(pin.0, &provider)),
            (None, ca) => {
                let roots = ca.as_ref().map_or_else(system_roots, |path| roots(Path::new(path)))?;
                WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone())
                    .build()
                    .map_err(|error| TlsError::Setup(error.to_string()))?
            }
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&version::TLS13])
            .map_err(|error| TlsError::Setup(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match (cert, key) {
            (Some(cert), Some(key)) => {
                let (cert, key) = (Path::new(cert), Path::new(key));
                let pair = Pair::read(cert, key)?;
                builder
                    .with_client_auth_cert(pair.chain, pair.key)
                    .map_err(|error| wrong_pair(cert, key, &error))?
            }
            _ => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![APPLICATION_PROTOCOL.to_vec()];
        config.resumption = Resumption::disabled();
        let name = server_name(server.as_deref().unwrap_or(link.host()))?;
        Ok(Some(Self { config: Arc::new(config), name }))
    }

    /// The state of a connection that was made.
    pub(crate) fn connect(&self) -> Result<Stream, rustls::Error> {
        Ok(Stream::new(Connection::Client(self.connection()?), Role::Client))
    }

    pub(super) fn connection(&self) -> Result<ClientConnection, rustls::Error> {
        ClientConnection::new(self.config.clone(), self.name.clone())
    }
}

/// A certificate, those between it and its CA, and its private key.
struct Pair {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Pair {
    fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let chain = certificates(certificate)?;
        let secret = private::read(key)?;
        let key =
            PrivateKeyDer::from_pem_slice(&secret).map_err(|_| TlsError::NoKey { path: key.to_owned() })?;
        Ok(Self { chain, key })
    }
}

/// The SHA-256 of the first certificate in a file: what `pin=` takes, as lower-case hexadecimal digits.
///
/// # Errors
///
/// If the file cannot be read, or holds no certificate.
pub fn fingerprint(certificate: &Path) -> Result<String, TlsError> {
    let chain = certificates(certificate)?;
    Ok(dict_protocol::link::Pin(super::pinned::sha256(&chain[0])).to_string())
}

/// All certificates of a file, at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source })?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(TlsError::NoCertificate { path: path.to_owned() }),
    }
}

fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots
            .add(certificate)
            .map_err(|error| TlsError::Authority { path: path.to_owned(), reason: error.to_string() })?;
    }
    Ok(roots)
}

/// What this machine trusts, as far as it can be used.
fn system_roots() -> Result<RootCertStore, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added > 0 {
        return Ok(roots);
    }
    let reason = found.errors.first().map_or_else(|| "there are none".to_owned(), ToString::to_string);
    Err(TlsError::NoSystemRoots { reason })
}

fn server_name(name: &str) -> Result<ServerName<'static>, TlsError> {
    // The zone of an IPv6 address is this machine's business and in no certificate.
    let (bare, _) = name.split_once('%').unwrap_or((name, ""));
    ServerName::try_from(bare.to_owned()).map_err(|_| TlsError::Name { name: name.to_owned() })
}

fn wrong_pair(certificate: &Path, key: &Path, error: &rustls::Error) -> TlsError {
    let reason = match error {
        rustls::Error::InconsistentKeys(_) => "the key is another certificate's".to_owned(),
        other => other.to_string(),
    };
    TlsError::Pair { certificate: PathBuf::from(certificate), key: PathBuf::from(key), reason }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").finish_non_exhaustive()
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The same settings, not merely equal ones.
impl PartialEq for ClientTls {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.config, &other.config) && self.name == other.name
    }
}

impl Eq for ClientTls {}
