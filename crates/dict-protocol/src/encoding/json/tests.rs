//! Texts and what they mean, and agreement with Python.

use alloc::string::String;
use alloc::vec::Vec;
use alloc::{format, vec};

use super::*;
use crate::dictionary;
use crate::encoding::EncodeError;
use crate::value::{Dictionary, Integer, Value};

const DEPTH: usize = 8;

fn written(value: &Value, style: Style) -> String {
    let mut text = String::new();
    write(value, style, DEPTH, &mut text).unwrap();
    text
}

#[test]
fn texts_that_are_read() {
    let cases: [(&str, Value); 16] = [
        (" \t\r\n null \n", Value::Null),
        ("[true,false]", Value::from_iter([true, false])),
        ("-0", 0.into()),
        ("-0.0", (-0.0).into()),
        ("1E3", 1000.0.into()),
        ("1e-400", 0.0.into()),
        ("2.5e+1", 25.0.into()),
        ("NaN", f64::NAN.into()),
        ("[Infinity, -Infinity]", Value::from_iter([f64::INFINITY, f64::NEG_INFINITY])),
        ("340282366920938463463374607431768211455", u128::MAX.into()),
        (r#""a\"\\\/\b\f\n\r\t\u00e9\uD834\uDD1E""#, "a\"\\/\u{8}\u{c}\n\r\té𝄞".into()),
        ("\"é\u{7f}𝄞\"", "é\u{7f}𝄞".into()),
        ("[]", Value::List(vec![])),
        ("{}", Dictionary::new().into()),
        ("{ \"a\" : [ ] , \"\" : { } }", {
            dictionary! { "a" => Value::List(vec![]), "" => Dictionary::new() }.into()
        }),
        (r#"{"$float": "NaN"}"#, dictionary! { "$float" => "NaN" }.into()),
    ];
    for (text, value) in cases {
        assert_eq!(read(text, DEPTH), Ok(value), "{text}");
    }
    let doubled = read(r#"{"a": 1, "b": 2, "a": 3}"#, DEPTH).unwrap();
    assert_eq!(written(&doubled, Style::PYTHON), r#"{"a": 3, "b": 2}"#);
}

#[test]
fn texts_that_are_refused() {
    let cases = [
        ("", "at byte 0: expected a value, got the end of the text"),
        ("nul", "at byte 0: expected a value, got 'n'"),
        ("\u{feff}1", "at byte 0: expected a value, got '\\u{feff}'"),
        ("1 2", "at byte 2: expected the end of the text, got '2'"),
        ("01", "at byte 1: expected the end of the text, got '1'"),
        ("+1", "at byte 0: expected a value, got '+'"),
        ("-", "at byte 1: expected a digit, got the end of the text"),
        ("-NaN", "at byte 1: expected a digit, got 'N'"),
        ("1.", "at byte 2: expected a digit, got the end of the text"),
        (".5", "at byte 0: expected a value, got '.'"),
        ("1e+", "at byte 3: expected a digit, got the end of the text"),
        ("1e400", "at byte 0: a number beyond the range of a 64-bit float"),
        ("[1,]", "at byte 3: expected a value, got ']'"),
        ("[1 2]", "at byte 3: expected ',' or ']', got '2'"),
        ("[1", "at byte 2: expected ',' or ']', got the end of the text"),
        ("{a: 1}", "at byte 1: expected a key in quotation marks, got 'a'"),
        ("{\"a\" 1}", "at byte 5: expected ':', got '1'"),
        ("{\"a\": 1,}", "at byte 8: expected a key in quotation marks, got '}'"),
        ("'a'", "at byte 0: expected a value, got '\\''"),
        ("\"a", "at byte 2: expected a quotation mark at the end of a text, got the end of the text"),
        ("\"\n\"", "at byte 1: expected a character that may stand in a text unescaped, got '\\n'"),
        (r#""\x""#, "at byte 2: expected one of the escapes \" \\ / b f n r t u, got 'x'"),
        (r#""\u00é""#, "at byte 5: expected a hexadecimal digit, got 'é'"),
        (r#""\ud834""#, "at byte 1: \\ud834 is half of a surrogate pair and stands alone"),
        (r#""a\udd1e""#, "at byte 2: \\udd1e is half of a surrogate pair and stands alone"),
        (r#""\ud834\u0041""#, "at byte 1: \\ud834 is half of a surrogate pair and stands alone"),
    ];
    for (text, message) in cases {
        assert_eq!(format!("{}", read(text, DEPTH).unwrap_err()), message, "{text}");
    }
    assert_eq!(read(b"[\"\xed\xa0\x80\"]", DEPTH), Err(JsonError::NotUtf8 { offset: 2 }));
    let digits = "1".repeat(Integer::MAX_DIGITS + 1);
    let error = JsonError::IntegerTooLong { offset: 1, digits: 4_301, limit: 4_300 };
    assert_eq!(read(format!("[-{digits}]"), DEPTH), Err(error));
}

#[test]
fn styles() {
    let value = dictionary! { "µ" => vec![1.into(), Value::Null], "t" => "\u{7f}𝄞/" }.into();
    assert_eq!(written(&value, Style::PYTHON), r#"{"\u00b5": [1, null], "t": "\u007f\ud834\udd1e/"}"#);
    assert_eq!(written(&value, Style::READABLE), "{\"µ\": [1, null], \"t\": \"\u{7f}𝄞/\"}");
    assert_eq!(written(&value, Style::COMPACT), "{\"µ\":[1,null],\"t\":\"\u{7f}𝄞/\"}");
}

#[test]
fn floats_as_python_writes_them() {
    let cases = [
        (1.0, "1.0"),
        (-0.0, "-0.0"),
        (0.1 + 0.2, "0.30000000000000004"),
        (1e15, "1000000000000000.0"),
        (9_999_999_999_999_998.0, "9999999999999998.0"),
        (1e16, "1e+16"),
        (-1.5e16, "-1.5e+16"),
        (1e22, "1e+22"),
        (1e100, "1e+100"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (-1.25e-7, "-1.25e-07"),
        (5e-324, "5e-324"),
        (f64::MAX, "1.7976931348623157e+308"),
        (f64::NAN, "NaN"),
        (f64::NEG_INFINITY, "-Infinity"),
    ];
    for (float, text) in cases {
        assert_eq!(written(&float.into(), Style::PYTHON), text);
    }
}

#[test]
fn binary_is_refused() {
    let value = dictionary! { "b" => vec![1_u8, 2, 3] }.into();
    let error = write(&value, Style::PYTHON, DEPTH, &mut String::new()).unwrap_err();
    assert_eq!(error, EncodeError::Binary { length: 3 });
    assert_eq!(format!("{error}"), "plain JSON cannot hold binary (3 bytes)");
}

/// Has Python read and write again what was written of many values, and compares the bytes.
#[cfg(feature = "std")]
#[test]
fn python_writes_the_same_bytes() {
    use std::eprintln;
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use proptest::strategy::{Strategy as _, ValueTree as _};

    const PROGRAM: &str = "
import json, sys
for line in sys.stdin.buffer:
    value = json.loads(line)
    sys.stdout.buffer.write(json.dumps(value).encode() + b'\\n')
    sys.stdout.buffer.write(json.dumps(value, ensure_ascii=False, separators=(',', ':')).encode() + b'\\n')
";
    let python =
        Command::new("python3").args(["-c", PROGRAM]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut python) = python else {
        eprintln!("skipped: there is no python3");
        return;
    };

    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = crate::value::strategy::value();
    let mut values: Vec<Value> =
        (0..2_000).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect();
    // Powers of two are where the nearest shortest decimal is hardest to choose.
    values.extend((0..2_046_u64).map(|exponent| Value::Float(f64::from_bits(exponent << 52))));

    let (mut lines, mut expected) = (String::new(), String::new());
    for value in &values {
        let start = lines.len();
        if write(value, Style::PYTHON, 128, &mut lines).is_ok() {
            lines.push('\n');
            expected.push_str(&lines[start..]);
            write(value, Style::COMPACT, 128, &mut expected).unwrap();
            expected.push('\n');
        }
    }
    let mut input = python.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()).unwrap());
    let output = python.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "python3 could not read what was written");
    let got = String::from_utf8(output.stdout).unwrap();
    for (ours, pythons) in expected.lines().zip(got.lines()) {
        assert_eq!(ours, pythons);
    }
    assert_eq!(expected.len(), got.len());
}
