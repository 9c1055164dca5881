#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dict_protocol::properties::link_any_text(bytes));
