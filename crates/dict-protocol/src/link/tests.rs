use alloc::borrow::ToOwned;
use alloc::string::ToString;
use core::time::Duration;

use super::*;
use crate::dialect::comms::{Order, Payload, Settings};
use crate::pattern::Pattern;

fn options(text: &str) -> Options {
    let link: Link = text.parse().unwrap();
    link.options().clone()
}

#[test]
fn what_people_write() {
    for (text, dialect, host, port, printed) in [
        ("127.0.0.1:7450", Dialect::Native, "127.0.0.1", 7450, "127.0.0.1:7450"),
        ("127.0.0.1", Dialect::Native, "127.0.0.1", 7450, "127.0.0.1:7450"),
        ("lab-pc.example:1", Dialect::Native, "lab-pc.example", 1, "lab-pc.example:1"),
        ("DICTWIRE://localhost:0/", Dialect::Native, "localhost", 0, "localhost:0"),
        ("[::1]", Dialect::Native, "::1", 7450, "[::1]:7450"),
        ("[fe80::1%eth0]:99", Dialect::Native, "fe80::1%eth0", 99, "[fe80::1%eth0]:99"),
        ("a?prefix=one,prefix=two", Dialect::Native, "a", 7450, "a:7450?prefix=two"),
        ("pytcp://[::1]", Dialect::PyTcp, "::1", 12345, "pytcp://[::1]:12345"),
        ("pytcp://a/?source=psu", Dialect::PyTcp, "a", 12345, "pytcp://a:12345?source=psu"),
        ("Comms://a:0", Dialect::Comms, "a", 0, "comms://a:0"),
        (
            "comms://a?type=json&order=little&relay=false&as=state&source=b",
            Dialect::Comms,
            "a",
            3000,
            "comms://a:3000?source=b",
        ),
        (
            "comms://a?send=string&type=binary",
            Dialect::Comms,
            "a",
            3000,
            "comms://a:3000?type=binary&send=string",
        ),
        ("comms://a?send=string&type=string", Dialect::Comms, "a", 3000, "comms://a:3000?type=string"),
        (
            "comms://a?as=patch,source=b,relay=true,watch=c*",
            Dialect::Comms,
            "a",
            3000,
            "comms://a:3000?source=b&as=patch&relay=true&watch=c*",
        ),
        ("comet://a?timeout=30.0", Dialect::Comet, "a", 65432, "comet://a:65432"),
        (
            "comet://a?timeout=0.25&name=Telegram",
            Dialect::Comet,
            "a",
            65432,
            "comet://a:65432?name=Telegram&timeout=0.25",
        ),
        ("comet://a?name=R%26d%2c %25", Dialect::Comet, "a", 65432, "comet://a:65432?name=R%26d%2C %25"),
        ("pingpong://a", Dialect::PingPong, "a", 8889, "pingpong://a:8889"),
        (
            "a?insecure-token=true,token-file=a%2Cb.token",
            Dialect::Native,
            "a",
            7450,
            "a:7450?token-file=a%2Cb.token&insecure-token=true",
        ),
        ("comms://a?identity=bench 1", Dialect::Comms, "a", 3000, "comms://a:3000?identity=bench 1"),
    ] {
        let link: Link = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!((link.dialect(), link.host(), link.port()), (dialect, host, port), "{text}");
        assert_eq!(link.to_string(), printed);
        assert_eq!(printed.parse(), Ok(link), "{text}");
    }
}

#[test]
fn encrypted_links() {
    let pin = "00112233445566778899AABBccddeeff".repeat(2);
    let with_colons = "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:".repeat(2);
    let with_colons = with_colons.trim_end_matches(':');
    for (text, printed) in [
        ("dictwires://a", "dictwires://a:7450"),
        ("DICTWIRES://[::1]:0", "dictwires://[::1]:0"),
        ("dictwires://a?prefix=b/", "dictwires://a:7450?prefix=b/"),
        ("dictwires://a?server=b&ca=c/d.pem", "dictwires://a:7450?ca=c/d.pem&server=b"),
        ("dictwires://a?key=b%2Cc,cert=d", "dictwires://a:7450?cert=d&key=b%2Cc"),
        (
            &alloc::format!("dictwires://a?pin={with_colons}"),
            &alloc::format!("dictwires://a:7450?pin={}", pin.to_lowercase()),
        ),
    ] {
        let link: Link = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!((link.is_encrypted(), link.dialect()), (true, Dialect::Native), "{text}");
        assert_eq!(link.to_string(), printed);
        assert_eq!(printed.parse(), Ok(link), "{text}");
    }
    assert_ne!("dictwires://a".parse::<Link>(), "dictwire://a".parse());
    for (other, value) in [("ca", "a"), ("server", "b")] {
        let text = alloc::format!("dictwires://a?pin={pin}&{other}={value}");
        let refused = text.parse::<Link>().unwrap_err();
        assert!(matches!(refused, LinkError::Excludes { option: "pin", other: told, .. } if told == other));
    }
    for bad in [&pin[1..], &alloc::format!("{pin}0"), &alloc::format!("+{}", &pin[1..])] {
        let refused = alloc::format!("dictwires://a?pin={bad}").parse::<Link>().unwrap_err();
        assert!(matches!(refused, LinkError::Value { option: "pin", .. }), "{refused}");
    }
}

#[test]
fn what_the_options_mean() {
    assert_eq!(options("a?prefix=lab2/"), Options { prefix: "lab2/".to_owned(), ..Options::default() });
    let source = Some("bench1/psu".to_owned());
    for scheme in ["pytcp", "pingpong", "comms"] {
        let link = alloc::format!("{scheme}://a?source=bench1/psu");
        assert_eq!(options(&link), Options { source: source.clone(), ..Options::default() });
    }
    let comms = Settings { incoming: Payload::Json, outgoing: Payload::Text, order: Order::Big };
    assert_eq!(
        options("comms://a?send=string,order=big,source=bench1/psu,as=patch,relay=true,watch=bench1/"),
        Options {
            source,
            apply: Apply::Patch,
            relay: true,
            watch: Some(Pattern::Prefix("bench1/".to_owned())),
            comms,
            ..Options::default()
        }
    );
    assert_eq!(options("comms://a?type=binary").comms.outgoing, Payload::Binary, "send is as type");
    assert_eq!(options("comms://a?watch=").watch, Some(Pattern::all()));
    assert_eq!(options("comms://a?watch=$hub/").watch, Some(Pattern::Prefix("$hub/".to_owned())));
    let name = Some("R&D, 名前".to_owned());
    let timeout = Duration::from_millis(1_500);
    assert_eq!(
        options("comet://a?timeout=1.5&name=R%26D%2C %e5%90%8d前"),
        Options { name, timeout, ..Options::default() }
    );
    assert_eq!(options("comet://a").timeout, Duration::from_secs(30));
}

#[test]
fn a_link_from_its_parts() {
    let options = [("name", "100% of it".into())];
    let link = Link::new(Dialect::Comet, "[::1]", 1, options).unwrap();
    assert_eq!((link.host(), link.options().name.as_deref()), ("::1", Some("100% of it")));
    assert_eq!(link.to_string(), "comet://[::1]:1?name=100%25 of it");
    assert_eq!(link.to_string().parse(), Ok(link));
    let options = [("source", "a".into())];
    let error = Link::new(Dialect::Comet, "a", 1, options).unwrap_err();
    assert!(matches!(error, LinkError::Option { .. }), "{error}");
    let error = Link::new(Dialect::Comet, "a:1", 1, []).unwrap_err();
    assert_eq!(error, LinkError::Host { host: "a:1".to_owned() });
}

#[test]
fn what_is_refused() {
    let host = |host: &str| LinkError::Host { host: host.to_owned() };
    let port = |port: &str| LinkError::Port { port: port.to_owned() };
    for (text, error) in [
        ("", LinkError::NoHost),
        (":7450", LinkError::NoHost),
        ("comms://", LinkError::NoHost),
        ("::1:7450", host("::1")),
        ("[host]:1", host("[host]")),
        ("[::1", host("[:")),
        ("a b:1", host("a b")),
        ("a:b@c:1", host("a:b@c")),
        ("host:", port("")),
        ("host:+1", port("+1")),
        ("comet://host:65536", port("65536")),
        ("http://host", LinkError::Scheme { scheme: "http".to_owned() }),
        ("native://host", LinkError::Scheme { scheme: "native".to_owned() }),
        ("https://host", LinkError::Scheme { scheme: "https".to_owned() }),
    ] {
        assert_eq!(text.parse::<Link>(), Err(error), "{text}");
    }
}

#[test]
fn options_that_are_refused_say_what_may_be() {
    for (text, told) in [
        ("host?prefx=a", "unknown option \"prefx\": dictwire:// has prefix=TEXT"),
        (
            "dictwires://host?name=a",
            "unknown option \"name\": dictwires:// has prefix=TEXT, token-file=FILE, ca=FILE,",
        ),
        ("host?ca=a", "the option ca needs dictwires://, the encrypted protocol"),
        ("host?pin=0", "the option pin needs dictwires://, the encrypted protocol"),
        ("pytcp://host?ca=a", "unknown option \"ca\": pytcp:// has source=NAME"),
        ("dictwires://host?cert=a", "the option cert needs key=FILE, its private key"),
        ("dictwires://host?key=a", "the option key needs cert=FILE, its certificate"),
        ("dictwires://host?ca=", "ca=: write a name"),
        ("dictwires://host?pin=12", "pin=12: write the 64 hexadecimal digits of the certificate's SHA-256"),
        ("host?source=a", "unknown option \"source\": dictwire:// has prefix=TEXT"),
        ("host?prefix", "unknown option \"prefix\": dictwire:// has prefix=TEXT"),
        ("pytcp://host?type=json", "unknown option \"type\": pytcp:// has source=NAME"),
        ("pingpong://host?name=a", "unknown option \"name\": pingpong:// has source=NAME"),
        ("comet://host?Name=a", "unknown option \"Name\": comet:// has name=NAME, timeout=SECONDS"),
        (
            "comms://host?timeout=1",
            "unknown option \"timeout\": comms:// has type=json|string|binary, send=json|string|binary, \
             order=little|big, source=NAME, as=state|patch, relay=true|false, watch=PATTERN",
        ),
        ("comms://host?type=text", "type=text: write json, string or binary"),
        ("comms://host?send=", "send=: write json, string or binary"),
        ("comms://host?order=middle", "order=middle: write little or big"),
        ("comms://host?source=a,as=all", "as=all: write state or patch"),
        ("comms://host?relay=yes", "relay=yes: write true or false"),
        ("comms://host?as=patch", "the option as needs source=NAME"),
        ("comms://host?as=state", "the option as needs source=NAME"),
        ("comms://host?type=string,source=a", "the option source needs type=json"),
        ("host?prefix=$a", "prefix=$a: names that begin with '$' are the hub's own"),
        ("host?prefix=", "prefix=: a name cannot be empty"),
        ("host?token-file=", "token-file=: write the path of a file"),
        ("host?insecure-token=yes", "insecure-token=yes: write true or false"),
        ("dictwires://host?insecure-token=true", "unknown option \"insecure-token\": dictwires:// has "),
        ("host?identity=a", "unknown option \"identity\": dictwire:// has "),
        ("comet://host?identity=$local", "identity=$local: names that begin with '$' are the hub's own"),
        ("comet://host?token-file=a", "unknown option \"token-file\": comet:// has "),
        ("pytcp://host?source=a/", "source=a/: a name cannot end with '/'"),
        ("comms://host?watch=a*b*", "watch=a*b: a name cannot hold '*', as at byte 1"),
        ("comet://host?name=", "name=: a name cannot be empty"),
        ("comet://host?name=100%", "\"100%\": after % two hexadecimal digits"),
        ("comet://host?name=%+1", "\"%+1\": after % two hexadecimal digits"),
        ("comet://host?name=%ff", "\"%ff\": after % two hexadecimal digits"),
        ("comet://host?name=%é", "\"%é\": after % two hexadecimal digits"),
    ] {
        let error = text.parse::<Link>().expect_err(text).to_string();
        assert!(error.starts_with(told), "{text}: {error}");
    }
    for value in ["", "0", "0.0", "-1", "1s", "inf", "nan", "1e3", ".", "3600.1", "99999999999999999999999"] {
        let error = alloc::format!("comet://host?timeout={value}").parse::<Link>().expect_err(value);
        let told =
            alloc::format!("timeout={value}: write a number of seconds, more than 0 and at most an hour");
        assert_eq!(error.to_string(), told);
    }
}
