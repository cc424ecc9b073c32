//! The corpus of the fuzz targets, replayed without a fuzzer: whatever a file holds, reading it ends in a value or an error, and takes
//! memory in proportion to it. `cargo run -p spinor-shared --features net --example fuzz_seeds` writes the seeds anew.
#![allow(clippy::unwrap_used, reason = "a test ends with its first surprise")]
#![allow(clippy::disallowed_methods, reason = "the corpus lies in files")]

#[path = "../../tests/fuzz/entries/case.rs"]
mod case;
#[path = "../../tests/fuzz/entries/delta.rs"]
mod delta;
#[cfg(feature = "net")]
#[path = "../../tests/fuzz/entries/messages.rs"]
mod messages;
#[path = "../../tests/fuzz/entries/session.rs"]
mod session;

use std::path::{Path, PathBuf};

use peak_alloc::PeakAlloc;
#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// Most memory that reading a file of the corpus, none above 64 KiB, may take: what a decompressor's window and a patient's tables need.
const MOST_MIB: f32 = 96.0;

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus").join(target)
}

/// Every file of every corpus is read to a value or an error, within the memory that its size allows. One test, because the heap is one.
#[test]
fn the_fuzz_corpus_is_read_or_refused() {
    type Target = (&'static str, fn(&[u8]));
    let mut targets: Vec<Target> = vec![("case", case::run), ("session", session::run), ("delta", delta::run)];
    #[cfg(feature = "net")]
    targets.push(("messages", messages::run));
    for (target, run) in targets.drain(..) {
        let mut seen = 0;
        for entry in std::fs::read_dir(corpus(target)).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            assert!(bytes.len() <= 64 << 10, "{} is too large for a corpus", path.display());
            let before = HEAP.current_usage_as_mb();
            HEAP.reset_peak_usage();
            run(&bytes);
            let took = HEAP.peak_usage_as_mb() - before;
            assert!(took < MOST_MIB, "{} took {took} MiB", path.display());
            seen += 1;
        }
        assert!(seen >= 5, "{seen} files in the corpus of {target}");
    }
}
