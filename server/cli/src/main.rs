//! The binary `spinor`.
fn main() {}
