//! Shows the frames of any byte stream, a line each: of a file, a serial line, a pipe.
//!
//! ```sh
//! nc 127.0.0.1 7450 < greeting.bin | cargo run -p dict-protocol --example decode_stream
//! ```

#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::io::Read;

use dict_protocol::decoder::Decoder;
use dict_protocol::packet::Packet;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut decoder = Decoder::new(1 << 20);
    let mut buffer = [0; 4096];
    let mut input = std::io::stdin().lock();
    loop {
        let count = input.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        let mut bytes = &buffer[..count];
        loop {
            let offset = decoder.offset();
            let Some(frame) =
                decoder.decode(&mut bytes).map_err(|error| format!("at offset {offset}: {error}"))?
            else {
                break;
            };
            match Packet::parse(&frame) {
                Ok(packet) => println!("{offset:>8} {packet:?}"),
                Err(error) => println!("{offset:>8} {:?} that is malformed: {error}", frame.kind),
            }
        }
    }
    if decoder.is_mid_frame() {
        println!("{:>8} the stream ends within a frame", decoder.offset());
    }
    Ok(())
}
