//! Damaged files: an error or an image, never a panic.

use super::super::*;
use super::writer::Slice;
use crate::nifti_io::decode_nifti;

fn through(bytes: &[u8]) -> Result<(), String> {
    probe_dicom(bytes).map(|_| ())
}

#[test]
fn a_file_cut_off_anywhere_is_an_error() {
    for implicit in [false, true] {
        let bytes = Slice { implicit, ..Slice::at(0, 0.0) }.bytes();
        through(&bytes).unwrap();
        for n in 0..bytes.len() {
            assert!(through(&bytes[..n]).is_err(), "cut to {n} of {} bytes", bytes.len());
        }
    }
}

#[test]
fn flipped_bits_never_panic() {
    for implicit in [false, true] {
        let bytes = Slice { implicit, ..Slice::at(0, 0.0) }.bytes();
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let _ = through(&damaged);
        }
    }
}

/// Real compressed files, whose streams reach the codecs.
#[test]
fn damaged_compressed_files_never_panic() {
    let Some(folder) = crate::test_data::folder("damaged_compressed_files_never_panic", "dicom/transfer_syntaxes") else {
        return;
    };
    for kind in ["compressed_rle", "compressed_jpeg", "compressed_jpegls", "compressed_j2k"] {
        let bytes = std::fs::read(folder.join(kind).join("001/IM-0001-0001-0001.dcm")).unwrap();
        through(&bytes).unwrap();
        // The pixel data are the last thing in the file: damage its start, its middle and its end.
        for n in 0..24 {
            let cut = bytes.len() - 1 - n * bytes.len() / 48;
            assert!(through(&bytes[..cut]).is_err(), "{kind} cut to {cut}");
            let mut damaged = bytes.clone();
            let at = bytes.len() - 20 - n * 977 % (bytes.len() / 2);
            damaged[at] ^= 1 << (n % 8);
            let _ = through(&damaged);
        }
    }
}

/// The corpus of the fuzz targets, replayed without a fuzzer. Files named here are images; all others are refused.
#[test]
fn the_fuzz_corpus_is_read_or_refused() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus");
    let mut seen = 0;
    for (kind, good) in
        [("dicom", &["explicit", "implicit"][..]), ("nifti", &["int16", "int16.gz", "float64", "nifti2", "bomb.gz"])]
    {
        for entry in std::fs::read_dir(corpus.join(kind)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let bytes = std::fs::read(&path).unwrap();
            let result = match kind {
                "dicom" => through(&bytes),
                _ => decode_nifti::<i16>(&bytes[..]).map(|_| ()).map_err(|e| e.to_string()),
            };
            assert_eq!(result.is_ok(), good.contains(&name.as_str()), "{kind}/{name}: {result:?}");
            seen += 1;
        }
    }
    assert!(seen > 30, "{seen} files");
}
