//! Runs of dictionaries that a program may publish, and what has to be recorded of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use fastrand::Rng;

/// A dictionary as its keys and the JSON texts of its values, as Python writes them.
type Texts = BTreeMap<String, String>;

/// What a timeline must hold: sequence, key, and the value as JSON in the `$` form, or `None` where it was removed.
pub type Expected = Vec<(u64, String, Option<String>)>;

/// `count` dictionaries, a line of JSON each, as one program's life: NaN and infinities, integers past 64 bits, nesting,
/// keys that go away and come back, 1 then 1.0 then true, and some that do not differ from the one before. And what is
/// to be recorded of them.
pub fn run(seed: u64, count: usize) -> (String, Expected) {
    let mut random = Rng::with_seed(seed);
    let (mut input, mut expected) = (String::new(), Vec::new());
    let (mut before, mut now) = (Texts::new(), Texts::new());
    let mut sequence = 0;
    for number in 0..count {
        if number == 0 || random.u8(..) >= 40 {
            change(&mut random, number, &mut now);
        }
        write_line(&now, &mut input);
        if number == 0 || now != before {
            sequence += 1;
            record(sequence, &before, &now, &mut expected);
        }
        before.clone_from(&now);
    }
    (input, expected)
}

fn change(random: &mut Rng, number: usize, dictionary: &mut Texts) {
    for _ in 0..random.usize(1..4) {
        let key = format!("k{}", random.u8(..12));
        if random.u8(..) < 30 {
            dictionary.remove(&key);
        } else {
            dictionary.insert(key, value(random, number));
        }
    }
}

fn value(random: &mut Rng, number: usize) -> String {
    match random.u8(..12) {
        0 => "NaN".into(),
        1 => ["Infinity", "-Infinity"][random.usize(..2)].into(),
        // 2^69 and above: what a 64-bit integer cannot hold.
        2 => format!("{}", (1_i128 << 69) + i128::from(random.u64(..))),
        3 => format!("-{}", (1_i128 << 69) + i128::from(random.u64(..))),
        4 => format!(r#"{{"ch1": {{"V": {number}.5, "on": true}}, "list": [1, null, "x", NaN]}}"#),
        5 => "1".into(),
        6 => "1.0".into(),
        7 => "true".into(),
        8 => format!(r#""text \u00b5V {number}""#),
        9 => "null".into(),
        _ => number.to_string(),
    }
}

fn write_line(dictionary: &Texts, out: &mut String) {
    out.push('{');
    for (place, (key, value)) in dictionary.iter().enumerate() {
        let separator = if place == 0 { "" } else { ", " };
        write!(out, "{separator}\"{key}\": {value}").expect("a string takes it");
    }
    out.push_str("}\n");
}

fn record(sequence: u64, before: &Texts, now: &Texts, expected: &mut Expected) {
    for key in before.keys().filter(|key| !now.contains_key(*key)) {
        expected.push((sequence, key.clone(), None));
    }
    for (key, value) in now.iter().filter(|(key, value)| before.get(*key) != Some(value)) {
        expected.push((sequence, key.clone(), Some(tagged(value))));
    }
}

/// The `$` form of a value that [`value`] made.
fn tagged(value: &str) -> String {
    let mut text = value.replace(": ", ":").replace(", ", ",").replace("\\u00b5", "µ");
    for name in ["NaN", "-Infinity", "Infinity"] {
        if text == name {
            return format!(r#"{{"$float":"{name}"}}"#);
        }
    }
    text = text.replace("NaN", r#"{"$float":"NaN"}"#);
    text
}
