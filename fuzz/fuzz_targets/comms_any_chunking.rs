#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dict_protocol::properties::comms_any_chunking(bytes));
