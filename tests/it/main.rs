//! Integration tests of Spinor over real connections and processes.

#![expect(clippy::unwrap_used, reason = "a test's own helpers may fail where they stand")]

mod direction;
mod gate;
mod harness;
mod killed;
mod procedure;
mod rooms;
