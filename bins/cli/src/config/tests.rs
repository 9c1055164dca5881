use super::*;

fn read(name: &str, text: &str) -> Result<Config, String> {
    Config::parse(Path::new(name), text, Keys::LOGGER).map_err(|error| {
        assert!(error.downcast_ref::<UsageError>().is_some(), "{error}");
        error.to_string()
    })
}

fn links<'a>(given: impl IntoIterator<Item = &'a Given>) -> Vec<String> {
    given.into_iter().map(|given| given.link.to_string()).collect()
}

#[test]
fn toml_says_what_the_command_line_can() {
    let text = "timeline = \"a b.db\"\nlisten = [\n  \"0.0.0.0\", # all\n  'comms://a?type=json,order=big',\n]\n\
                connect = \"pytcp://b?source=psu\"\nquiet = true\ndemo = false\n";
    for name in ["lab.toml", "lab.TOML", "lab.conf", "lab"] {
        let config = read(name, &format!("\u{feff}# ours\n\n{text}")).unwrap();
        assert_eq!(links(&config.listen), ["0.0.0.0:7450", "comms://a:3000?order=big"]);
        assert_eq!(links(&config.connect), ["pytcp://b:12345?source=psu"]);
        assert_eq!(config.listen[1].place, format!("{name}, line 6: listen"));
        assert_eq!((config.text("timeline"), config.text("keep")), (Some("a b.db"), None));
        assert_eq!((config.flag("quiet"), config.flag("demo")), (true, false));
        assert!(config.host.is_none());
    }
    assert!(read("empty.toml", "").unwrap().listen.is_empty());
}

#[test]
fn toml_has_a_table_of_limits() {
    let config = read("lab.toml", "quiet = true\n[limits]\nbody = \"2MiB\"\nconnections = 1_000\n").unwrap();
    let limits = ["body=2MiB", "connections=1000"].map(|text| text.parse::<LimitSetting>().unwrap());
    assert_eq!(config.limits, limits);
}

#[test]
fn what_is_wrong_with_toml_is_told_with_its_line() {
    for (text, told) in [
        (
            "quiet = true\nlisen = \"a\"",
            "line 2: unknown key \"lisen\": known are listen, connect, name, timeline, rotate, keep, access, demo, quiet",
        ),
        ("[logger]\nlisten = \"a\"", "line 1: unknown key \"logger\""),
        ("zeta = 1\nalpha = 1", "line 1: unknown key \"zeta\""),
        ("timeline = 5", "line 1: timeline takes a text in quotes, not a value of type integer"),
        ("\ndemo = \"yes\"", "line 2: demo takes true or false, not a value of type string"),
        ("listen = true", "line 1: listen takes a link, or a list of links, in quotes"),
        ("listen = [\n\"a\",\n7450]", "line 3: listen takes a link, or a list of links, in quotes"),
        ("listen = [\n\"a\",\n\"b:70000\"]", "line 3: listen \"b:70000\": \"70000\" is no port"),
        (
            "connect = 'pytcp://a?type=json'",
            "line 1: connect \"pytcp://a?type=json\": unknown option \"type\"",
        ),
        ("quiet = true\nlisten = [", "line 2: unclosed array"),
        ("quiet = true\nquiet = true", "line 2: duplicate key"),
        ("quiet = maybe", "line 1: "),
        ("limits = 5", "line 1: limits takes a table, as [limits], not a value of type integer"),
        ("[limits]\nbody = \"4MiB\"\nbodies = 5", "line 3: there is no limit \"bodies\": there are body, "),
        ("[limits]\nbody = true", "line 2: limits takes numbers, and texts in quotes"),
        ("[limits]\nconnections = -1", "line 2: limit connections takes a whole number"),
        ("[limits]\nconnections = 0", "line 2: limit connections cannot be 0: it is from 1 to"),
    ] {
        let error = read("lab.toml", text).expect_err(text);
        assert!(error.starts_with(&format!("lab.toml, {told}")), "{text}: {error}");
    }
    let error = Config::parse(Path::new("hub.toml"), "timeline = \"a\"", Keys::SERVER).unwrap_err();
    assert_eq!(
        error.to_string(),
        "hub.toml, line 1: unknown key \"timeline\": known are listen, connect, name, access, insecure, insecure-older, \
         limits"
    );
}

#[test]
fn comets_own_file_is_taken_as_it_is() {
    let connection = "Socket_connection:\n    Host:\n      IP: 127.0.0.2\n      Port: 65432\n    Client:\n      \
                      Telegram:\n        IP: 127.0.0.4\n        Port: 65432\n      R&D, 2:\n        IP: ::1\n        \
                      Port: 1\n        Password: x\n";
    let others = "Logging: {level: [debug, 5], Port: none}\nuser: !special {1: {x: ~}}\n";
    let indented = connection.replace('\n', "\n  ");
    for text in [
        connection.to_owned(),
        format!("---\n# ours\n{others}{connection}"),
        format!("{connection}{others}"),
        format!("settings:\n  other: 1\n  {indented}"),
    ] {
        for name in ["config.yaml", "config.YML", "config"] {
            let config = read(name, &text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(links(&config.host), ["comet://127.0.0.2:65432"]);
            let clients = ["comet://127.0.0.4:65432?name=Telegram", "comet://[::1]:1?name=R%26D%2C 2"];
            assert_eq!(links(&config.connect), clients);
            assert!(config.listen.is_empty(), "it says nothing of the native protocol");
        }
    }
}

#[test]
fn comets_older_and_shorter_files_are_taken() {
    for (text, host, clients) in [
        (
            "Socket_connection:\n  Client: {IP: 10.0.0.1, Port: 5}",
            &[][..],
            &["comet://10.0.0.1:5?name=10.0.0.1"][..],
        ),
        ("settings:\n  Client:\n    IP: lab-pc\n    Port: 5\n", &[], &["comet://lab-pc:5?name=lab-pc"]),
        ("Host: {IP: localhost, Port: 0}\nSocket_connection:\n", &["comet://localhost:0"], &[]),
        ("Client:\n  A: {IP: b, Port: 1}\n  A: {Port: 2, IP: c}\n", &[], &["comet://c:2?name=A"]),
    ] {
        let config = read("config.yaml", text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(
            (links(&config.host), links(&config.connect)),
            (strings(host), strings(clients)),
            "{text}"
        );
    }
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

#[test]
fn what_is_wrong_with_comets_file_is_told_with_its_line() {
    for (text, told) in [
        ("", "there is no Host to listen on and no Client to connect to"),
        ("other: 1", "there is no Host to listen on and no Client to connect to"),
        (
            "Socket_connection: {Host: , Client: }",
            "there is no Host to listen on and no Client to connect to",
        ),
        ("a\nb", "line 1"),
        ("Host:\n  IP: a\n  Port: 65536", "\"65536\" is no port: a number from 0 to 65535"),
        ("Host:\n  IP: a\n  Port: -1\n", "at line 3, column"),
        ("Host:\n  IP: a\n  Port: high\n", "at line 3, column"),
        ("Host:\n  IP: a b\n  Port: 1\n", "\"a b\" is no host"),
        ("Host:\n  IP: a\n", "missing field `Port`"),
        ("Host: 127.0.0.1:5\n", "line 1, column"),
        ("Client:\n  A: 5", "line 2, column"),
        ("Client:\n  IP: a", "missing field `Port`"),
        ("Client:\n  Port: 1", "missing field `IP`"),
        ("Client:\n  $a: {IP: b, Port: 1}", "names that begin with '$' are the hub's own"),
        ("Client:\n - IP: b\n   Port: 1", "line 2, column"),
        ("Host: [", "at line 1, column"),
    ] {
        let error = read("config.yaml", text).expect_err(text);
        assert!(error.starts_with("config.yaml: ") && error.contains(told), "{text}: {error}");
        assert!(error.ends_with("each with an IP and a Port)"), "{error}");
    }
}
