#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dict_hub::properties::greeting_any_bytes(bytes));
