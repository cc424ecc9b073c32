//! Integration tests of Spinor over real connections and processes.

mod gate;
mod harness;
mod killed;
mod rooms;
