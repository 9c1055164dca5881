#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dict_protocol::properties::any_bytes_as_value(bytes));
