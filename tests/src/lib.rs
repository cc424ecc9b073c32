//! Integration tests and benches of Spinor. Nothing is here: they lie in `it` and `benches`.
