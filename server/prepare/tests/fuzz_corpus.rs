//! The corpora of the fuzz targets `nnunet` and `contours`, replayed without a fuzzer: what they hold is read or refused.
#![allow(clippy::unwrap_used, reason = "a test ends with its first surprise")]

#[path = "../../../tests/fuzz/entries/contours.rs"]
mod contours;
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

/// Files named `good_...` are contours, all others are refused (`scripts/make_contour_corpus.py` wrote them).
#[test]
fn the_corpus_of_contours_is_read_or_refused() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus/contours");
    let mut seen = 0;
    for entry in std::fs::read_dir(&corpus).unwrap() {
        let path = entry.unwrap().path();
        let good = path.file_name().unwrap().to_string_lossy().starts_with("good_");
        assert_eq!(contours::run(&std::fs::read(&path).unwrap()), good, "{}", path.display());
        seen += 1;
    }
    assert!(seen > 15, "{seen} files");
}
