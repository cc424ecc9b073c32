//! Code of others that may panic on damaged input: what it does becomes an error, and nothing of it is shown to the user.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// Whether this thread runs such code now.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// What `call` returns, or none where it panics. A panic outside goes to whoever handled it before.
pub(crate) fn foreign<T>(call: impl FnOnce() -> T) -> Option<T> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            if !INSIDE.get() {
                before(info);
            }
        }));
    });
    let outer = INSIDE.replace(true);
    let result = catch_unwind(AssertUnwindSafe(call));
    INSIDE.set(outer);
    result.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A codec's panic on a damaged file printed a message and a backtrace before the error. The test runs itself to see what is printed.
    #[test]
    fn a_codecs_panic_is_not_shown() {
        if std::env::var_os("SPINOR_TEST_PANIC").is_some() {
            assert_eq!(foreign(|| 7), Some(7));
            assert_eq!(foreign(|| -> u8 { panic!("a codec's secret") }), None);
            let _ = catch_unwind(|| panic!("our own mistake"));
            return;
        }
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "foreign::tests::a_codecs_panic_is_not_shown", "--nocapture"])
            .env("SPINOR_TEST_PANIC", "1")
            .output()
            .unwrap();
        let shown = String::from_utf8_lossy(&child.stderr);
        assert!(child.status.success() && !shown.contains("secret") && shown.contains("our own mistake"), "{shown}");
    }
}
