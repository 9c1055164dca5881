//! Certificates of every kind, in a folder.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use dict_event_loop::private;
use dict_event_loop::tls::fingerprint;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A folder with `ca.pem`, and `server.pem` and its key, for 127.0.0.1 and localhost.
pub(super) struct Files {
    folder: TempDir,
    ca: Issuer<'static, KeyPair>,
}

impl Files {
    pub(super) fn new() -> Self {
        Self::of("a CA for tests")
    }

    /// With a CA of this name.
    pub(super) fn of(authority: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, authority);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        std::fs::write(folder.path().join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        let files = Self { folder, ca: Issuer::new(params, key) };
        files.server("server", &["127.0.0.1", "localhost"], 2);
        files
    }

    /// A server's certificate, valid up to so many days from now.
    pub(super) fn server(&self, name: &str, hosts: &[&str], days: i32) {
        let hosts: Vec<_> = hosts.iter().map(|&host| host.to_owned()).collect();
        let params = CertificateParams::new(hosts).unwrap();
        self.signed(name, params, ExtendedKeyUsagePurpose::ServerAuth, days);
    }

    /// A client's certificate, with a common name and a DNS name.
    pub(super) fn client(&self, name: &str, days: i32) {
        let params = CertificateParams::new(vec![format!("{name}.example")]).unwrap();
        self.signed(name, params, ExtendedKeyUsagePurpose::ClientAuth, days);
    }

    fn signed(&self, name: &str, mut params: CertificateParams, purpose: ExtendedKeyUsagePurpose, days: i32) {
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![purpose];
        let now = SystemTime::now();
        let end = if days < 0 { now - DAY * days.unsigned_abs() } else { now + DAY * days.unsigned_abs() };
        params.not_before = (now - 100 * DAY).into();
        params.not_after = end.into();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.ca).unwrap();
        std::fs::write(self.folder.path().join(format!("{name}.pem")), certificate.pem()).unwrap();
        private::create(&self.folder.path().join(format!("{name}-key.pem")), key.serialize_pem().as_bytes())
            .unwrap();
    }

    /// The path of a file.
    pub(super) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// The SHA-256 of a certificate.
    pub(super) fn pin(&self, name: &str) -> String {
        fingerprint(&PathBuf::from(self.path(&format!("{name}.pem")))).unwrap()
    }
}
