//! `dict-server keygen`: the certificates of a lab.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use dict_cli::{Stdout, UsageError};
use dict_event_loop::private;
use dict_event_loop::tls::{ServerTls, fingerprint};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// Make the certificates and keys of a lab, for dictwires:// links.
///
/// They go to one folder: a certificate authority (ca.pem), a server's certificate that it signed (server.pem), and one for
/// each --client; the private key of NAME.pem is NAME-key.pem, for its owner alone. Who is to trust them needs ca.pem.
///
/// Run again, it uses the authority that is there and adds what is missing. It overwrites nothing.
#[derive(Debug, Args)]
pub(crate) struct KeygenArguments {
    /// The folder to write to; made if it is not there
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    /// A name or IP address by which programs reach the server; may be given several times [default: localhost,
    /// 127.0.0.1, ::1 and this machine's name]
    #[arg(long = "host", value_name = "NAME|IP")]
    hosts: Vec<String>,
    /// Who gets a client's certificate, for servers that ask for one; may be given several times
    ///
    /// The name is what a server knows the client by, and the name of its file.
    #[arg(long = "client", value_name = "NAME")]
    clients: Vec<String>,
    /// How many days what is made now is valid
    #[arg(long, value_name = "N", default_value_t = 3_650, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,
}

/// How the name of an authority begins. Each has one of its own: of two with the same name people, and error messages, would
/// take the one for the other.
const AUTHORITY: &str = "Dictwire lab CA";

/// Validity begins so long before now: clocks differ.
const EARLIER: Duration = DAY;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) fn run(arguments: &KeygenArguments) -> Result<()> {
    arguments.clients.iter().try_for_each(|name| check_name(name))?;
    let folder = &*arguments.output;
    fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let mut made = Made { out: Stdout::new(), folder, days: arguments.days };

    let authority = made.authority()?;
    let hosts = if arguments.hosts.is_empty() { default_hosts() } else { arguments.hosts.clone() };
    let server = Files::new(folder, "server");
    let kept = server.exist()?;
    if kept {
        made.keep(&server)?;
        if !arguments.hosts.is_empty() {
            let text = "it is for the hosts that it was made for; remove it and its key to have another made";
            writeln!(made.out, "  {text}")?;
        }
    } else {
        let mut params = params(hosts.clone(), ExtendedKeyUsagePurpose::ServerAuth)
            .with_context(|| format!("no certificate can be for {}", hosts.join(", ")))?;
        params.distinguished_name.push(DnType::CommonName, &*hosts[0]);
        made.signed(&server, params, &authority, &format!("for {}", hosts.join(", ")))?;
    }
    for name in &arguments.clients {
        let client = Files::new(folder, name);
        if client.exist()? {
            made.keep(&client)?;
            continue;
        }
        let mut params = params(Vec::new(), ExtendedKeyUsagePurpose::ClientAuth)?;
        params.distinguished_name.push(DnType::CommonName, &**name);
        made.signed(&client, params, &authority, &format!("for the client {name}"))?;
    }
    // For whom a certificate is that was there already is not known here.
    let host = if kept { "HOST" } else { &*hosts[0] };
    made.tell(host, !arguments.hosts.is_empty(), &arguments.clients, &server)
}

/// A certificate and its key, as files.
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    fn new(folder: &Path, name: &str) -> Self {
        Self { certificate: folder.join(format!("{name}.pem")), key: folder.join(format!("{name}-key.pem")) }
    }

    /// Whether both are there; one alone is an error.
    fn exist(&self) -> Result<bool> {
        let is_there =
            |path: &Path| path.try_exists().with_context(|| format!("cannot look for {}", path.display()));
        let (certificate, key) = (is_there(&self.certificate)?, is_there(&self.key)?);
        if certificate != key {
            let (there, missing) =
                if certificate { (&self.certificate, &self.key) } else { (&self.key, &self.certificate) };
            bail!(
                "{} is there and {} is not: bring that back, or remove the other one",
                there.display(),
                missing.display()
            );
        }
        Ok(certificate)
    }
}

/// What is made, and told.
struct Made<'a> {
    out: Stdout,
    folder: &'a Path,
    days: u32,
}

impl Made<'_> {
    /// The authority that is there, or a new one.
    fn authority(&mut self) -> Result<Issuer<'static, KeyPair>> {
        let files = Files::new(self.folder, "ca");
        if files.exist()? {
            // Whether they belong together; what would be signed with another key nobody would trust.
            ServerTls::from_files(&files.certificate, &files.key, None)?;
            let key = String::from_utf8_lossy(&private::read(&files.key)?).into_owned();
            let unusable = || format!("cannot sign with {}", files.key.display());
            let key = KeyPair::from_pem(&key).with_context(unusable)?;
            let certificate = fs::read_to_string(&files.certificate)?;
            self.keep(&files)?;
            return Issuer::from_ca_cert_pem(&certificate, key).with_context(unusable);
        }
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        self.set_validity(&mut params);
        let key = KeyPair::generate().context("cannot make a key")?;
        let number: String =
            key.public_key_raw().iter().rev().take(4).map(|byte| format!("{byte:02x}")).collect();
        params.distinguished_name.push(DnType::CommonName, format!("{AUTHORITY} {number}"));
        let certificate = params.self_signed(&key).context("cannot sign")?;
        self.write(&files, &key, &certificate.pem(), "the certificate authority")?;
        Ok(Issuer::new(params, key))
    }

    /// Makes a key and a certificate for it.
    fn signed(
        &mut self,
        files: &Files,
        mut params: CertificateParams,
        authority: &Issuer<'_, KeyPair>,
        about: &str,
    ) -> Result<()> {
        self.set_validity(&mut params);
        let key = KeyPair::generate().context("cannot make a key")?;
        let certificate = params.signed_by(&key, authority).context("cannot sign")?;
        self.write(files, &key, &certificate.pem(), about)
    }

    fn set_validity(&self, params: &mut CertificateParams) {
        let now = SystemTime::now();
        params.not_before = (now - EARLIER).into();
        params.not_after = (now + DAY * self.days).into();
    }

    /// The key first: a certificate without one would be useless, and be kept the next time.
    fn write(&mut self, files: &Files, key: &KeyPair, certificate: &str, about: &str) -> Result<()> {
        let Files { certificate: path, key: key_path } = files;
        private::create(key_path, key.serialize_pem().as_bytes())
            .with_context(|| format!("cannot write {}", key_path.display()))?;
        create(path, certificate.as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
        writeln!(self.out, "wrote {}, {about}", path.display())?;
        writeln!(self.out, "wrote {}, its private key", key_path.display())?;
        Ok(())
    }

    fn keep(&mut self, files: &Files) -> Result<()> {
        Ok(writeln!(self.out, "kept {}, which is there already", files.certificate.display())?)
    }

    /// How what there is can be used; `named` if it was said by which names programs reach the server, which are from
    /// other machines then.
    fn tell(mut self, host: &str, named: bool, clients: &[String], server: &Files) -> Result<()> {
        let pin = fingerprint(&server.certificate)?;
        let file = |name: &str| in_link(&self.folder.join(name));
        let (ca, cert, key) = (file("ca.pem"), in_link(&server.certificate), in_link(&server.key));
        let asked = if clients.is_empty() { String::new() } else { format!(",ca={ca}") };
        let shown = clients.first().map_or_else(String::new, |name| {
            format!(",cert={},key={}", file(&format!("{name}.pem")), file(&format!("{name}-key.pem")))
        });
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let (at, rules) = if named { ("0.0.0.0", " --access access.toml") } else { ("127.0.0.1", "") };
        writeln!(self.out, "pin={pin}")?;
        writeln!(
            self.out,
            "to listen:  dict-server --listen 'dictwires://{at}:7450?cert={cert},key={key}{asked}'{rules}"
        )?;
        writeln!(self.out, "to connect: dict-client --hub 'dictwires://{host}:7450?ca={ca}{shown}' sources")?;
        Ok(self.out.flush()?)
    }
}

fn params(names: Vec<String>, purpose: ExtendedKeyUsagePurpose) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![purpose];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    // Half of one would stand in the way of the next attempt.
    file.write_all(bytes).and_then(|()| file.sync_all()).inspect_err(|_| drop(fs::remove_file(path)))
}

fn default_hosts() -> Vec<String> {
    let machine = gethostname::gethostname().to_string_lossy().into_owned();
    let mut hosts = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    // Some machines have names that no certificate can be for.
    if machine.is_ascii() && !hosts.contains(&machine) {
        hosts.push(machine);
    }
    hosts
}

/// Whether a client's name can be one, of files too.
fn check_name(name: &str) -> Result<(), UsageError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let wrong = if name.is_empty() || !name.chars().all(is_plain) || name.starts_with(['.', '-']) {
        "a name has letters, digits, and further on - _ ."
    } else if ["ca", "server"].contains(&name) || name.ends_with("-key") {
        "that is the name of another file"
    } else {
        return Ok(());
    };
    Err(UsageError(format!("--client {name:?}: {wrong}")))
}

/// A path as the value of a link's option.
pub(crate) fn in_link(path: &Path) -> String {
    path.display().to_string().replace('%', "%25").replace(',', "%2C").replace('&', "%26")
}
