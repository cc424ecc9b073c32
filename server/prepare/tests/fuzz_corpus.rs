//! The corpus of the fuzz target `nnunet`, replayed without a fuzzer: plans, a dataset, or an error.
#![allow(clippy::unwrap_used, reason = "a test ends with its first surprise")]

#[path = "../../../tests/fuzz/entries/nnunet.rs"]
mod nnunet;

use std::path::Path;

use spinor_prepare::segment::{Dataset, Plan};

/// Every file is read or refused; the valid ones are read, so that the corpus does not rot.
#[test]
fn the_fuzz_corpus_is_read_or_refused() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus/nnunet");
    let read = |name: &str| std::fs::read(corpus.join(name)).unwrap();
    Plan::parse("plans", &read("plans"), None).unwrap();
    for name in ["dataset", "dataset_regions"] {
        Dataset::parse(name, &read(name)).unwrap();
    }
    for entry in std::fs::read_dir(&corpus).unwrap() {
        nnunet::run(&std::fs::read(entry.unwrap().path()).unwrap());
    }
}
