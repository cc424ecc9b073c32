//! The binary `spinor-client`.
fn main() {}
