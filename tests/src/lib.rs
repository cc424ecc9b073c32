//! Integration tests, benches and golden files of Spinor.
