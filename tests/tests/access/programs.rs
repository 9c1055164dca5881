//! The programs: tokens from files and the environment, rules from a file that changes.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use dict_event_loop::server::access::TokenHash;
use dictwire_tests::programs::{Running, command, is_missing, run, succeed};
use tempfile::TempDir;

use super::lab::wait_for;

/// A server with rules in a file.
struct Server {
    running: Running,
    hub: String,
    /// What it says on standard error, a line each.
    errors: std::sync::mpsc::Receiver<String>,
    folder: TempDir,
}

impl Server {
    fn new(rules: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.toml");
        write(&path, rules);
        let mut server = command("dict-server");
        server.args(["--listen", "127.0.0.1:0", "--access", path.to_str().unwrap()]).stderr(Stdio::piped());
        let mut running = Running::start(server);
        let hub = running.listens_on();
        let stderr = BufReader::new(running.take_stderr());
        let (line, errors) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for text in stderr.lines().map_while(Result::ok) {
                if line.send(text).is_err() {
                    return;
                }
            }
        });
        Self { running, hub, errors, folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn set(&self, rules: &str) {
        write(&self.folder.path().join("access.toml"), rules);
    }

    /// Waits until it says something that holds `told`, and returns it.
    fn says(&self, told: &str) -> String {
        wait_for(told, || self.errors.try_iter().find(|line| line.contains(told)))
    }

    /// Runs dict-client as an identity, by the environment.
    fn client_as(&self, token: &str, arguments: &[&str]) -> Output {
        let mut client = command("dict-client");
        client.env("DICTWIRE_TOKEN", token).args(["--hub", &self.hub]).args(arguments);
        client.output().unwrap()
    }
}

/// Puts a file in the place of another, as editors do.
fn write(path: &Path, text: &str) {
    let aside = path.with_extension("new");
    fs::write(&aside, text).unwrap();
    private(&aside, 0o644);
    fs::rename(&aside, path).unwrap();
}

#[cfg(unix)]
fn private(path: &Path, mode: u32) {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
}

#[cfg(not(unix))]
fn private(_: &Path, _: u32) {}

fn identity(name: &str, rights: &str) -> String {
    format!("[identity.{name}]\ntoken = \"{}\"\n{rights}\n", TokenHash::of(&format!("{name}-token")))
}

/// That a program ended with `code`, printed nothing, and told why in one line that holds `told` and no token.
fn fails(output: &Output, code: i32, told: &str) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{error}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(error.contains(told) && !error.contains("-token\""), "{error:?} does not tell {told:?}");
}

fn prints(output: &Output, text: &str) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains(text), "{output:?}");
}

#[test]
fn a_token_is_made_written_where_nobody_else_reads_it_and_serves() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("psu.token").to_str().unwrap().to_owned();
    let printed = succeed("dict-server", &["token", "bench1", "--output", &file]);
    let token = fs::read_to_string(&file).unwrap();
    assert_eq!(token.trim().len(), 64);
    assert!(!printed.contains(token.trim()), "{printed}");
    let hash = TokenHash::of(token.trim()).to_string();
    assert!(printed.contains("[identity.bench1]\n") && printed.contains(&format!("token = \"{hash}\"\n")));
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&fs::metadata(&file).unwrap()) & 0o777, 0o600);
    fails(&run("dict-server", &["token", "bench1", "--output", &file]), 1, "is there already");
    assert_eq!(fs::read_to_string(&file).unwrap(), token, "it is left as it is");
    fails(&run("dict-server", &["token", "a/b"]), 2, "give --output");
    fails(&run("dict-server", &["token", "$local", "--output", "x"]), 2, "the hub's own");

    // The lines that were printed are rules, which grant nothing yet.
    let server = Server::new(&printed);
    let link = format!("{}?token-file={file}", server.hub);
    fails(&run("dict-client", &["--hub", &link, "sources"]), 1, "no right to request \"$sources\"");
    server.set(&printed.replace("request = []", "request = ['$*']").replace("write = []", "write = ['a']"));
    server.says("the access rules have changed");
    prints(&run("dict-client", &["--hub", &link, "clients"]), "bench1");
    assert!(run("dict-client", &["--hub", &link, "publish", "a", "--replace", "V=5"]).status.success());
    let told = "publish reads what is there first: it takes the right read, or --replace";
    fails(&run("dict-client", &["--hub", &link, "publish", "a", "V=6"]), 1, told);
    assert!(run("dict-client", &["--hub", &link, "forget", "a"]).status.success());
    fails(&run("dict-client", &["--hub", &link, "forget", "a"]), 1, "there is no source \"a\"");
    fails(&run("dict-client", &["--hub", &link, "forget", "b"]), 1, "no right to write source \"b\"");
    #[cfg(unix)]
    {
        private(Path::new(&file), 0o640);
        fails(&run("dict-client", &["--hub", &link, "sources"]), 1, "chmod 600");
    }
}

#[test]
fn each_bad_token_is_one_clear_line() {
    let server = Server::new(&identity("bench1", "read = ['*']\nrequest = ['$*']"));
    fails(&server.client_as("wrong", &["sources"]), 1, "the token is not known here");
    fails(&server.client_as("", &["sources"]), 1, "this hub wants credentials: set DICTWIRE_TOKEN");
    fails(&server.client_as("two words", &["sources"]), 1, "there is no token in DICTWIRE_TOKEN");
    assert!(server.client_as("bench1-token", &["sources"]).status.success());
    let note = command("logger")
        .env("DICTWIRE_TOKEN", "wrong")
        .args(["note", "hello", "--hub", &server.hub])
        .output()
        .unwrap();
    fails(&note, 1, "the token is not known here");
    let link = format!("{}?token-file={}", server.hub, server.path("none"));
    fails(&run("dict-client", &["--hub", &link, "sources"]), 1, "cannot read ");
    // The file that the link names counts.
    fs::write(server.path("empty"), "\n").unwrap();
    private(Path::new(&server.path("empty")), 0o600);
    let link = format!("{}?token-file={}", server.hub, server.path("empty"));
    let mut client = command("dict-client");
    client.env("DICTWIRE_TOKEN", "bench1-token").args(["--hub", &link, "sources"]);
    fails(&client.output().unwrap(), 1, "there is no token in ");
}

#[test]
fn rules_that_are_wrong_mean_no_start_and_later_no_change() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.toml");
    let file = path.to_str().unwrap();
    let timeline = folder.path().join("timeline.db");
    let start = |name: &str| {
        let mut program = command(name);
        program.args(["--listen", "127.0.0.1:0", "--access", file]).env("DICTWIRE_TIMELINE", &timeline);
        program.output().unwrap()
    };
    for name in ["dict-server", "logger"] {
        fs::remove_file(&path).ok();
        fails(&start(name), 1, "cannot read ");
        write(&path, "[identity.a]\ntoken = 'secret'\n");
        fails(&start(name), 2, "line 2: token takes \"sha256:\"");
        #[cfg(unix)]
        {
            write(&path, "");
            private(&path, 0o666);
            fails(&start(name), 1, "chmod go-w");
        }
    }
    assert!(!timeline.exists(), "nothing was begun");

    let good = identity("bench1", "request = ['$status']");
    let server = Server::new(&good);
    assert!(server.client_as("bench1-token", &["status"]).status.success());
    server.set(&good.replace("request", "requests"));
    let told = server.says("unknown key \"requests\"");
    assert!(told.contains("line 3") && told.contains("the access rules stay as they were"), "{told}");
    assert!(server.client_as("bench1-token", &["status"]).status.success());
    server.set(&good.replace("$status", "$clients"));
    server.says("the access rules have changed");
    fails(&server.client_as("bench1-token", &["status"]), 1, "no right to request \"$status\"");
}

#[test]
fn new_rules_end_what_a_running_program_may_not_do() {
    let rules = |read: &str| {
        identity("writer", "write = ['*']\nread = ['*']") + &identity("reader", &format!("read = ['{read}']"))
    };
    let server = Server::new(&rules("bench1/"));
    assert!(server.client_as("writer-token", &["publish", "bench1/psu", "V=5"]).status.success());
    let mut watch = command("dict-client");
    watch.env("DICTWIRE_TOKEN", "reader-token").args(["--hub", &server.hub, "watch", "bench1/"]);
    watch.args(["--format", "jsonl"]).stderr(Stdio::piped());
    let mut watch = Running::start(watch);
    let first = watch.line();
    assert!(first.contains("bench1/psu"), "{first}");
    server.set(&rules("bench2/"));
    assert_eq!(watch.wait().code(), Some(1), "it is not asked whether it goes on");
    let mut told = String::new();
    std::io::Read::read_to_string(&mut watch.take_stderr(), &mut told).unwrap();
    assert!(told.contains("no right to read \"bench1/\"") && told.lines().count() == 1, "{told}");
}

#[test]
fn rules_are_read_when_there_are_descriptors_again() {
    if is_missing("prlimit", Command::new("prlimit").arg("--version")) {
        return;
    }
    let rules = |action: &str| identity("bench1", &format!("request = ['{action}']"));
    let server = Server::new(&rules("$status"));
    let limit = |count: usize| {
        let arguments = [format!("--pid={}", server.running.id()), format!("--nofile={count}:4096")];
        assert!(Command::new("prlimit").args(arguments).status().unwrap().success());
    };
    // It has more than that, and keeps them: there is none for another.
    limit(3);
    server.set(&rules("$clients"));
    let told = server.says("the access rules stay as they were");
    assert!(told.contains("cannot read ") && told.contains("os error 24"), "{told}");
    limit(1_024);
    server.says("the access rules have changed");
    fails(&server.client_as("bench1-token", &["status"]), 1, "no right to request \"$status\"");
    assert!(server.client_as("bench1-token", &["clients"]).status.success());
}

#[test]
fn a_logger_records_another_hub_as_far_as_it_may() {
    let rules = identity("writer", "write = ['*']\nread = ['*']")
        + &identity("logger", "log = ['bench1/', '$*']\nrequest = ['$*']");
    let server = Server::new(&rules);
    let timeline = server.path("timeline.db");
    let token = server.path("logger.token");
    fs::write(&token, "logger-token\n").unwrap();
    private(Path::new(&token), 0o600);
    let link = format!("{}?token-file={token}", server.hub);
    let (mut logger, _) = Running::listening(
        "logger",
        &["--listen", "127.0.0.1:0", "--connect", &link, "--timeline", &timeline],
    );
    wait_for("the logger", || {
        let status = server.client_as("logger-token", &["status"]);
        String::from_utf8_lossy(&status.stdout)
            .lines()
            .any(|line| line.starts_with("logger") && line.ends_with("present"))
            .then_some(())
    });
    for source in ["bench1/psu", "bench2/psu"] {
        let published = server.client_as("writer-token", &["publish", source, "V=5", "--ack", "received"]);
        assert!(published.status.success(), "{published:?}");
    }
    let row = wait_for("the row", || {
        let rows =
            succeed("logger", &["show", "--timeline", &timeline, "--kind", "change", "--format", "jsonl"]);
        (!rows.is_empty()).then_some(rows)
    });
    assert!(row.contains("bench1/psu"), "{row}");
    logger.signal("INT");
    assert!(logger.wait().success());
    let rows = succeed("logger", &["show", "--timeline", &timeline, "--kind", "change", "--format", "jsonl"]);
    assert!(!rows.contains("bench2/psu"), "{rows}");
}

#[cfg(unix)]
#[test]
fn a_program_that_answers_requests_is_not_given_the_token() {
    let server = Server::new(&identity("bench1", "handle = ['*']\nrequest = ['*', '$*']"));
    let mut respond = command("dict-client");
    respond.env("DICTWIRE_TOKEN", "bench1-token").env("OF_OURS", "stays").args(["--hub", &server.hub]);
    respond.args(["respond", "environment", "--exec", "env"]);
    let _respond = Running::start(respond);
    let answer = wait_for("an answer", || {
        let answer = server.client_as("bench1-token", &["request", "environment"]);
        answer.status.success().then(|| String::from_utf8(answer.stdout).unwrap())
    });
    assert!(answer.contains("OF_OURS=stays") && !answer.contains("bench1-token"), "{answer}");
}

#[test]
fn one_token_is_not_shown_to_several_hubs() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("a.token"), "a-token").unwrap();
    private(Path::new(&path("a.token")), 0o600);
    let logger = |links: [&str; 2]| {
        let mut logger = command("logger");
        logger.env("DICTWIRE_TOKEN", "bench1-token").args(["--timeline", &path("timeline.db")]);
        for link in links {
            logger.args(["--connect", link]);
        }
        logger
    };
    let with_file = format!("127.0.0.1:1?token-file={}", path("a.token"));
    for links in [["127.0.0.1:1", "127.0.0.1:2"], [&with_file, "127.0.0.1:2"]] {
        let told = "DICTWIRE_TOKEN would be shown to several hubs: give each link ?token-file=FILE instead";
        fails(&logger(links).output().unwrap(), 2, told);
    }
    let mut each_has_one = logger([&with_file, &with_file.replace(":1?", ":2?")]);
    each_has_one.args(["--listen", "127.0.0.1:0"]);
    Running::start(each_has_one).listens_on();
}

#[cfg(unix)]
#[test]
fn the_limit_of_open_files_is_raised_or_missed() {
    if is_missing("prlimit", Command::new("prlimit").arg("--version")) {
        return;
    }
    let start = |files: &str, connections: u32| {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Command::new("prlimit");
        server.arg(format!("--nofile={files}")).arg(dictwire_tests::programs::program("dict-server"));
        server.args(["--listen", "127.0.0.1:0", "--limit", &format!("connections={connections}")]);
        server.stderr(Stdio::piped()).current_dir(folder.path());
        let mut server = Running::start(server);
        server.listens_on();
        let limits = fs::read_to_string(format!("/proc/{}/limits", server.id())).unwrap_or_default();
        server.signal("INT");
        assert!(server.wait().success());
        let mut told = String::new();
        std::io::Read::read_to_string(&mut server.take_stderr(), &mut told).unwrap();
        (limits.lines().find(|line| line.starts_with("Max open files")).unwrap_or_default().to_owned(), told)
    };
    let (limit, told) = start("256:2000", 1_000);
    assert_eq!(told, "");
    assert!(limit.is_empty() || limit.contains(" 1100 "), "{limit}");
    let (_, told) = start("256:500", 1_000);
    assert!(told.contains("500 files open, and takes 1100") && told.lines().count() == 1, "{told}");
}
