//! Our JSON and Python's, byte for byte.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use std::io::Write as _;
use std::process::{Command, Stdio};

use proptest::strategy::{Strategy as _, ValueTree as _};

use super::DEPTH;
use crate::dialect::{Options, Outgoing, comet, pytcp};
use crate::encoding::json;
use crate::value::{Dictionary, Value, strategy};

/// How many dictionaries go each way.
const COUNT: usize = 10_000;

/// Has Python run `program` on `input` and returns what it printed; `None` where there is no Python, which is an error if
/// `DICTWIRE_REQUIRE_PYTHON` is set.
fn python(program: &str, input: Vec<u8>) -> Option<String> {
    let python =
        Command::new("python3").args(["-c", program]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut python = match python {
        Ok(python) => python,
        Err(error) if std::env::var_os("DICTWIRE_REQUIRE_PYTHON").is_some() => panic!("python3: {error}"),
        Err(_) => {
            std::eprintln!("skipped: there is no python3");
            return None;
        }
    };
    let mut stdin = python.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&input).unwrap());
    let output = python.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "python3 failed on its input");
    Some(String::from_utf8(output.stdout).unwrap())
}

/// Dictionaries that Python makes up come out of us as Python wrote them.
#[test]
fn what_python_writes_is_written_again_byte_for_byte() {
    const PROGRAM: &str = r#"
import json, random, struct, sys
count = int(sys.stdin.read())
random.seed(7)

def text():
    pools = ['abc XYZ019_$*/', '"\\\n\r\t\b\f/\0\x1f\x7f', 'äµß€中文\u2028\ufeff', '\U0001f600\U0010ffff']
    return ''.join(random.choice(random.choice(pools)) for _ in range(random.choice([0, 1, 3, 8, 20])))

def number():
    if random.random() < 0.3:
        return random.choice([float('nan'), float('inf'), -float('inf'), 0.0, -0.0, 1e16, 1e-5, 5e-324, 1e22])
    if random.random() < 0.5:
        return struct.unpack('<d', random.randbytes(8))[0]
    return round(random.uniform(-1000, 1000), random.randrange(6))

def integer():
    if random.random() < 0.01:
        return random.choice([-1, 1]) * (10 ** 4300 - 1 - random.randrange(1000))
    return random.choice([-1, 1]) * random.getrandbits(random.choice([1, 8, 31, 32, 53, 63, 64, 65, 130, 1000]))

def value(depth):
    kind = random.randrange(9 if depth else 7)
    if kind == 7:
        return [value(depth - 1) for _ in range(random.randrange(5))]
    if kind == 8:
        return dictionary(depth - 1)
    return [None, True, False][kind] if kind < 3 else [integer, number, text, number][kind - 3]()

def dictionary(depth):
    return {text(): value(depth) for _ in range(random.randrange(7))}

for _ in range(count):
    made = dictionary(4)
    sys.stdout.buffer.write(json.dumps(made).encode() + b'\n')
    sys.stdout.buffer.write(json.dumps({'result': made}, ensure_ascii=False).encode() + b'\n')
"#;
    let Some(lines) = python(PROGRAM, format!("{COUNT}").into_bytes()) else { return };
    // Python's line separators are not Rust's, and here none is a line feed within a text.
    let lines: Vec<_> = lines.split_terminator('\n').collect();
    assert_eq!(lines.len(), 2 * COUNT);
    let (mut frame, mut answer) = (Vec::new(), Vec::new());
    for pair in lines.chunks(2) {
        let Ok(Value::Dictionary(made)) = json::read(pair[0], DEPTH) else {
            panic!("{}", pair[0]);
        };
        frame.clear();
        pytcp::encode(&made, DEPTH, &mut frame).unwrap();
        assert_eq!(&frame[pytcp::HEADER..frame.len() - 1], pair[0].as_bytes(), "{}", pair[0]);
        answer.clear();
        comet::encode_answer(&made.into(), DEPTH, &mut answer);
        assert!(answer.ends_with(pair[1].as_bytes()), "{}", pair[1]);
    }
}

/// Frames of dictionaries that we make up, binary included, are read by Python, which writes them again as they were.
#[test]
fn python_reads_our_frames_and_writes_them_again_byte_for_byte() {
    const PROGRAM: &str = r#"
import json, struct, sys, zlib
stream = sys.stdin.buffer
while header := stream.read(9):
    start, length, crc = struct.unpack('>BII', header)
    text = stream.read(length)
    assert start == 0xA5 and crc == zlib.crc32(text) and stream.read(1) == b'\x5a'
    made = json.loads(text)
    assert json.dumps(made).encode() == text, text
    request = json.dumps({'action': 'a', 'value': made}, ensure_ascii=False)
    sys.stdout.buffer.write(request.encode() + b'\n')
"#;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = strategy::dictionary();
    let made: Vec<Dictionary> = (0..COUNT)
        .map(|_| strategy.new_tree(&mut runner).unwrap().current())
        .filter(|made| !made.is_empty())
        .collect();
    assert!(made.len() > COUNT / 2);
    let mut stream = Vec::new();
    for made in &made {
        let mut end = crate::dialect::Dialect::PyTcp.codec(crate::dialect::Side::Server, &Options::default());
        assert_eq!(end.encode(&Outgoing::Dictionary(made), &mut stream), Ok(true));
    }
    let Some(lines) = python(PROGRAM, stream) else { return };
    let lines: Vec<_> = lines.split_terminator('\n').collect();
    assert_eq!(lines.len(), made.len());
    for (line, made) in lines.iter().zip(made) {
        let sayable = crate::dialect::python::sayable(&made.into(), DEPTH).unwrap();
        let mut request = Vec::new();
        comet::encode_request("a", &sayable, DEPTH, &mut request).unwrap();
        assert!(request.ends_with(line.as_bytes()), "{line}");
    }
}

/// The number that Python compares equal to another is equal here, and no other.
#[test]
fn equality_is_pythons() {
    const PROGRAM: &str = r#"
import json, sys
values = [json.loads(line) for line in sys.stdin]
for a in values:
    print(''.join('01'[a == b] for b in values))
"#;
    let texts = [
        "0",
        "-0.0",
        "0.0",
        "false",
        "1",
        "1.0",
        "true",
        "-1",
        "9007199254740992",
        "9007199254740992.0",
        "9007199254740993",
        "9223372036854775807",
        "9223372036854775808",
        "9.223372036854775807e18",
        "-9223372036854775808",
        "-9.223372036854775808e18",
        "18446744073709551615",
        "1.8446744073709552e19",
        "18446744073709551616",
        "36893488147419103232",
        "36893488147419103232.0",
        "1e300",
        "Infinity",
        "-Infinity",
        "null",
        "\"\"",
        "\"1\"",
        "[]",
        "[1]",
        "[true]",
        "[1.5]",
        "{}",
        "{\"a\": 1, \"b\": 2}",
        "{\"b\": 2.0, \"a\": true}",
        "{\"a\": 1}",
    ];
    let values: Vec<Value> = texts.iter().map(|text| json::read(text, DEPTH).unwrap()).collect();
    let Some(lines) = python(PROGRAM, texts.join("\n").into_bytes()) else { return };
    let lines: Vec<_> = lines.lines().collect();
    assert_eq!(lines.len(), values.len());
    for (a, line) in values.iter().zip(lines) {
        let ours: String =
            values.iter().map(|b| if crate::dialect::python::equal(a, b) { '1' } else { '0' }).collect();
        assert_eq!(ours, line, "{a:?}");
    }
}
