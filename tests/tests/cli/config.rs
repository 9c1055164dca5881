//! `--config`: options in a file, of ours or COMET's.

use std::fs;
use std::net::TcpListener;
use std::time::Instant;

use dictwire_tests::programs::{PATIENCE, Running, command, run, succeed};
use tempfile::TempDir;

use super::{fails, text};

/// A folder with a file in it, and the file's path.
fn file(name: &str, content: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    fs::write(&path, content).expect("a file");
    let path = text(&path).to_owned();
    (folder, path)
}

#[test]
fn a_logger_does_what_its_file_says() {
    let (_server, hub) = Running::listening("dict-server", &["--listen", "127.0.0.1:0"]);
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| text(&folder.path().join(name)).to_owned();
    let content = format!(
        "timeline = '{}'\nlisten = '127.0.0.1:0'\nconnect = ['{hub}?prefix=lab2/']\n",
        path("of the file.db")
    );
    fs::write(path("lab.toml"), content).expect("a file");
    let (mut logger, own) = Running::listening("logger", &["--config", &path("lab.toml")]);
    assert_eq!(logger.line(), format!("recording in {}", path("of the file.db")));
    for hub in [&hub, &own] {
        succeed("dict-client", &["--hub", hub, "publish", "a", "b=1", "--ack", "logged"]);
    }
    let recorded = succeed("logger", &["state", "--format", "jsonl", "--timeline", &path("of the file.db")]);
    for source in ["\"a\"", "\"lab2/a\""] {
        assert!(recorded.contains(&format!("\"source\":{source}")), "{recorded}");
    }
}

#[test]
fn the_command_line_adds_to_the_file_and_counts_before_it() {
    let (folder, path) = file("lab.toml", "timeline = 'not/there.db'\nlisten = ['127.0.0.1:0']\n");
    let timeline = text(&folder.path().join("lab.db")).to_owned();
    let arguments = ["--config", &path, "--listen", "127.0.0.1:0"];
    fails(&run("logger", &arguments), 1, "the directory not does not exist");

    let (mut logger, _) =
        Running::listening("logger", &[&arguments[..], &["--timeline", &timeline]].concat());
    assert!(logger.line().starts_with("listening on 127.0.0.1:"), "both are listened on");
    assert_eq!(logger.line(), format!("recording in {timeline}"));
    drop(logger);

    let mut logger = command("logger");
    logger.args(arguments).env("DICTWIRE_TIMELINE", &timeline);
    let mut logger = Running::start(logger);
    let lines = [logger.line(), logger.line(), logger.line()];
    assert_eq!(lines[2], format!("recording in {timeline}"));
}

#[test]
fn a_file_can_make_a_logger_quiet() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let hub = listener.local_addr().expect("it is bound").to_string();
    drop(listener);
    let (folder, path) = file("lab.toml", &format!("quiet = true\nlisten = '{hub}'\n"));
    let mut logger = command("logger");
    logger.args(["--config", &path, "--timeline", text(&folder.path().join("lab.db"))]);
    let mut logger = Running::start(logger);
    let deadline = Instant::now() + PATIENCE;
    // Once it serves, it would have printed where it listens.
    while !run("dict-client", &["--hub", &hub, "publish", "a", "b=1"]).status.success() {
        assert!(Instant::now() < deadline, "it does not listen");
    }
    logger.signal("INT");
    assert_eq!(logger.rest(), "");
    assert!(logger.wait().success());
}

#[test]
fn a_server_does_what_its_file_says() {
    let (_folder, path) = file("hub.conf", "# where\nlisten = ['127.0.0.1:0', '127.0.0.1:0']\n");
    let (mut server, first) = Running::listening("dict-server", &["--config", &path]);
    let line = server.line();
    let second = line.strip_prefix("listening on ").expect("it listens twice");
    succeed("dict-client", &["--hub", &first, "publish", "a", "b=1"]);
    assert_eq!(succeed("dict-client", &["--hub", second, "get", "a", "b"]), "1\n");
}

#[test]
fn a_hub_has_the_name_that_it_was_given() {
    let (_folder, path) = file("hub.toml", "listen = '127.0.0.1:0'\nname = 'cell 3'");
    for (program, more, name) in [
        ("dict-server", &[][..], "cell 3"),
        ("dict-server", &["--name", "cell/4"], "cell/4"),
        ("logger", &["--timeline", "t.db"], "cell 3"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = command(program);
        command.args(["--config", &path]).args(more).current_dir(folder.path());
        let mut hub = Running::start(command);
        let address = hub.listens_on();
        let status = succeed("dict-client", &["--hub", &address, "status"]);
        assert!(status.contains(name), "{status}");
    }
    let listen = ["--listen", "127.0.0.1:0", "--name"];
    let long = "n".repeat(300);
    for (name, status, told) in [("$hub", 2, "the hub's own"), ("a*", 2, "'*'"), (&long, 1, "limit name")] {
        fails(&run("dict-server", &[&listen[..], &[name]].concat()), status, told);
    }
}

#[test]
fn a_file_that_says_what_cannot_be_is_told_in_one_line() {
    for (program, name, content, told) in [
        (
            "logger",
            "a.toml",
            "quiet = true\nlisten = 'a'\nlissen = 'b'",
            "line 3: unknown key \"lissen\": known are",
        ),
        ("logger", "a.toml", "timeline = 1", "line 1: timeline takes a text"),
        (
            "logger",
            "a.toml",
            "listen = '127.0.0.1:65536'",
            "line 1: listen \"127.0.0.1:65536\": \"65536\" is no port",
        ),
        ("logger", "a.toml", "listen = 'comms://a?order=middle'", "order=middle: write little or big"),
        (
            "logger",
            "a.toml",
            "demo = true\nconnect = 'a'",
            "line 2: connect a:7450: this cannot be used with --demo",
        ),
        ("logger", "a.toml", "rotate = 'daily'", "\"daily\" is neither a time nor a size"),
        ("logger", "a.toml", "keep = '30d'", "give --rotate, too"),
        (
            "dict-server",
            "a.toml",
            "timeline = 'a.db'",
            "line 1: unknown key \"timeline\": known are listen, connect, name",
        ),
        ("dict-server", "a.toml", "connect = 'a'", "line 1: connect a:7450: a hub connects to no other hub"),
        ("dict-server", "a.yaml", "Socket_connection:\n  Host:\n    IP: a\n    Port: 65536\n", "line 4"),
        ("logger", "a.yaml", "listen: 5", "no Host to listen on"),
    ] {
        let (folder, path) = file(name, content);
        let mut command = command(program);
        command.args(["--config", &path]).current_dir(folder.path());
        fails(&command.output().expect("it runs"), 2, told);
    }
}

#[test]
fn a_file_that_cannot_be_read_is_told_in_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = text(&folder.path().join("none.toml")).to_owned();
    for program in ["logger", "dict-server"] {
        fails(&run(program, &["--config", &path]), 1, "cannot read ");
        fails(&run(program, &["--config", text(folder.path())]), 1, "cannot read ");
    }
}
