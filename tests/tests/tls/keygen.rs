//! `dict-server keygen`: what it makes works, and what is there is left alone.

use std::collections::BTreeMap;
use std::path::Path;

use dictwire_tests::programs::{Running, run, succeed};

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect()
}

/// The link in the line that begins so.
fn link<'a>(printed: &'a str, beginning: &str) -> &'a str {
    let line = printed.lines().find(|line| line.starts_with(beginning));
    line.and_then(|line| line.split('\'').nth(1)).unwrap_or_else(|| panic!("no {beginning:?} in {printed}"))
}

#[test]
fn what_it_prints_works() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("a lab, with a comma");
    let printed =
        succeed("dict-server", &["keygen", "--output", folder.to_str().unwrap(), "--client", "bench1"]);
    let listen = link(&printed, "to listen:").replace("127.0.0.1:7450", "127.0.0.1:0");
    let (_server, address) = Running::listening("dict-server", &["--listen", &listen]);
    let port = address.rsplit(':').next().unwrap();
    let connect = link(&printed, "to connect:").replace("7450", port);
    succeed("dict-client", &["--hub", &connect, "publish", "psu", "voltage=1"]);
    // By each of the names that it is for.
    for host in ["127.0.0.1", "localhost"] {
        succeed("dict-client", &["--hub", &connect.replace("localhost", host), "get", "psu"]);
    }
    let pin = printed.lines().find(|line| line.starts_with("pin=")).unwrap();
    let (_, shown) = connect.split_once(",cert=").unwrap();
    succeed("dict-client", &["--hub", &format!("{address}?{pin},cert={shown}"), "status"]);
    // By a connection without an event loop too; batches are larger than what is encrypted at once.
    let form = ["bench", "throughput", "--messages", "5000", "--subscribers", "2", "--in-flight", "5000"];
    let printed = succeed("dict-client", &[&["--hub", &connect], &form[..]].concat());
    assert!(printed.lines().any(|line| line.split_whitespace().eq(["delivered", "10000"])), "{printed}");
}

#[test]
fn what_it_prints_for_other_machines_listens_for_them_with_rules() {
    let place = tempfile::tempdir().unwrap();
    let (folder, rules) = (place.path().join("lab"), place.path().join("access.toml"));
    let folder = folder.to_str().unwrap();
    let printed = succeed("dict-server", &["keygen", "--output", folder, "--host", "127.0.0.1"]);
    let line = printed.lines().find(|line| line.starts_with("to listen:")).unwrap();
    assert!(line.contains("//0.0.0.0:7450?") && line.ends_with(" --access access.toml"), "{line}");
    let token = place.path().join("bench1.token");
    let token = token.to_str().unwrap();
    let made = succeed("dict-server", &["token", "bench1", "--output", token]);
    std::fs::write(&rules, made.replace("request = []", "request = [\"$status\"]")).unwrap();
    let listen = link(&printed, "to listen:").replace("0.0.0.0:7450", "127.0.0.1:0");
    let rules = rules.to_str().unwrap();
    let (_server, address) = Running::listening("dict-server", &["--listen", &listen, "--access", rules]);
    let port = address.rsplit(':').next().unwrap();
    let connect = link(&printed, "to connect:").replace("7450", port);
    succeed("dict-client", &["--hub", &format!("{connect},token-file={token}"), "status"]);
}

#[test]
fn run_again_it_adds_and_overwrites_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let keygen = |more: &[&str]| succeed("dict-server", &[&["keygen", "--output", path], more].concat());
    keygen(&["--client", "a"]);
    let first = files(folder.path());
    let names: Vec<_> = first.keys().map(String::as_str).collect();
    assert_eq!(names, ["a-key.pem", "a.pem", "ca-key.pem", "ca.pem", "server-key.pem", "server.pem"]);

    let printed = keygen(&["--client", "b", "--client", "a", "--host", "lab.example"]);
    assert!(
        printed.contains("a.pem, which is there already") && printed.contains("b.pem, for the client b"),
        "{printed}"
    );
    assert!(printed.contains("remove it and its key to have another made"), "{printed}");
    let second = files(folder.path());
    assert_eq!(second.len(), first.len() + 2);
    assert!(first.iter().all(|(name, bytes)| second[name] == *bytes), "something was overwritten");

    // The same authority has signed what came later.
    let link = |name: &str| {
        format!("dictwires://127.0.0.1:0?cert={path}/{name}.pem,key={path}/{name}-key.pem,ca={path}/ca.pem")
    };
    let (_server, address) = Running::listening("dict-server", &["--listen", &link("server")]);
    let (_, files_of_b) = link("b").split_once('?').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    succeed("dict-client", &["--hub", &format!("{address}?{files_of_b}"), "status"]);
}

#[cfg(unix)]
#[test]
fn keys_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    succeed("dict-server", &["keygen", "--output", folder.path().to_str().unwrap(), "--client", "a"]);
    for name in ["ca-key.pem", "server-key.pem", "a-key.pem"] {
        let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn what_is_there_in_part_or_does_not_go_together_is_an_error() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let keygen = |folder: &Path| run("dict-server", &["keygen", "--output", folder.to_str().unwrap()]);
    for folder in [&folder, &other] {
        assert!(keygen(folder.path()).status.success());
    }
    // What two authorities have signed is told apart by their names.
    let listen = |folder: &Path| {
        let path = folder.to_str().unwrap();
        format!("dictwires://127.0.0.1:0?cert={path}/server.pem,key={path}/server-key.pem")
    };
    let (_server, address) = Running::listening("dict-server", &["--listen", &listen(folder.path())]);
    let wrong = format!("{address}?ca={}", other.path().join("ca.pem").to_str().unwrap());
    let error = run("dict-client", &["--hub", &wrong, "status"]).stderr;
    assert!(String::from_utf8_lossy(&error).contains("signed by no CA that is trusted here"), "{error:?}");
    std::fs::rename(other.path().join("ca-key.pem"), folder.path().join("ca-key.pem")).unwrap();
    for (folder, told) in [(&folder, "the key is another certificate's"), (&other, "ca.pem is there and ")] {
        let output = keygen(folder.path());
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), error.lines().count()), (Some(1), 1), "{error}");
        assert!(error.contains(told), "{error:?} does not tell {told:?}");
    }
}
