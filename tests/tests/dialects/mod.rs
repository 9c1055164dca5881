//! Programs of four older systems at the gateways.

mod hostile;
mod lab;
