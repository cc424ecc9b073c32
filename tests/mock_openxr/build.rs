//! Binds the library's own names to itself.
//!
//! Without this, ELF interposition hands calls of `xrGetInstanceProcAddr` to the OpenXR loader that opened the library, which
//! then waits for itself for ever.

fn main() {
    println!("cargo:rustc-cdylib-link-arg=-Wl,-Bsymbolic");
    println!("cargo:rerun-if-changed=build.rs");
}
