//! Values at random, for tests: every type, the borders of each form, and keys that meet again.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use proptest::collection::vec as list_of;
use proptest::prelude::*;

use super::{Dictionary, Integer, Value};

/// Any value that nests at most six deep.
pub(crate) fn value() -> impl Strategy<Value = Value> {
    nested(6, 48, 20)
}

/// A dictionary of smaller values, with up to 20 keys.
pub(crate) fn dictionary() -> impl Strategy<Value = Dictionary> {
    small_entries().prop_map(|entries| entries.into_iter().collect())
}

/// The entries of such a dictionary; a key may come twice.
pub(crate) fn small_entries() -> impl Strategy<Value = Vec<(String, Value)>> {
    entries(nested(2, 8, 4), 20)
}

fn nested(levels: u32, items: u32, width: usize) -> impl Strategy<Value = Value> + Clone {
    scalar().boxed().prop_recursive(levels, items, width as u32, move |inner| {
        prop_oneof![
            list_of(inner.clone(), 0..width).prop_map(Value::List),
            entries(inner, width).prop_map(|entries| Value::Dictionary(entries.into_iter().collect())),
        ]
    })
}

fn entries(
    value: impl Strategy<Value = Value> + 'static,
    width: usize,
) -> BoxedStrategy<Vec<(String, Value)>> {
    prop_oneof![3 => list_of((key(), value), 0..width), 1 => tag().prop_map(|tag| vec![tag])].boxed()
}

/// A key out of few, or any.
pub(crate) fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => (0..24).prop_map(|number| format!("key{number}")),
        1 => Just("$float".to_string()),
        2 => text(),
    ]
}

/// What might be taken for the `$` form.
fn tag() -> impl Strategy<Value = (String, Value)> {
    let tag = prop_oneof![Just("$float"), Just("$binary"), Just("$dict"), Just("$"), Just("$other")];
    let content = prop_oneof![
        Just(Value::from("NaN")),
        Just(Value::from("AAE=")),
        Just(Value::from(f64::NAN)),
        Just(Dictionary::from([("$dict", 1)]).into()),
        Just(Dictionary::new().into()),
    ];
    (tag.prop_map(String::from), content)
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        integer().prop_map(Value::Integer),
        float().prop_map(Value::Float),
        text().prop_map(Value::Text),
        (any::<u8>(), sizes()).prop_map(|(byte, size)| Value::Binary(vec![byte; size])),
    ]
}

fn integer() -> impl Strategy<Value = Integer> {
    let near_power = (0..65_u32, -2..=2_i128, any::<bool>()).prop_map(|(bits, near, negative)| {
        let number = (1_i128 << bits) + near;
        Integer::from(if negative { -number } else { number })
    });
    let long = "-?[1-9][0-9]{19,60}".prop_map(|digits| digits.parse().expect("these are digits"));
    let longest = (4_298..=Integer::MAX_DIGITS).prop_map(|digits| {
        let digits = "7".repeat(digits);
        format!("-{digits}").parse().expect("these are digits")
    });
    prop_oneof![
        4 => any::<i64>().prop_map(Integer::from),
        4 => near_power,
        1 => any::<i128>().prop_map(Integer::from),
        1 => long,
        1 => longest,
    ]
}

fn float() -> impl Strategy<Value = f64> {
    let specials =
        vec![0.0, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN_POSITIVE, 5e-324];
    let decimal = (-1_000_000..1_000_000_i32, -20..20_i32)
        .prop_map(|(digits, exponent)| format!("{digits}e{exponent}").parse().expect("this is a number"));
    prop_oneof![
        2 => any::<u64>().prop_map(f64::from_bits),
        2 => decimal,
        1 => proptest::sample::select(specials),
    ]
}

fn text() -> impl Strategy<Value = String> {
    let awkward = "[\"\\\\/\u{8}\u{c}\n\r\t\u{0}\u{1f}\u{7f}\u{80}ß\u{2028}€\u{ffff}\u{10000}𝄞]{0,6}";
    let sized = sizes().prop_map(|size: usize| "x".repeat(size));
    prop_oneof![3 => ".{0,12}", 2 => awkward, 1 => sized]
}

/// Lengths about the borders of the forms.
fn sizes() -> impl Strategy<Value = usize> {
    let borders: [usize; 9] = [15, 16, 31, 32, 33, 255, 256, 65_535, 65_536];
    prop_oneof![20 => 0..20_usize, 1 => proptest::sample::select(borders.to_vec())]
}
