#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dict_cli::properties::access_any_text(bytes));
