//! Any bytes as a case file, and as the content of each section: a case or an error. The first byte chooses, so that a fuzzer gets past
//! the hashes, which it could never guess.

use spinor_shared::case::{Case, case_hash, case_meta, patient_section};
use spinor_shared::case::{CaseMeta, ImageBricks, MAGIC, decode_patient, encode_patient};
use spinor_volume::{DensityField, Grid, Patient};

/// Reads `bytes` in every way in which a case's bytes are read.
pub(crate) fn run(bytes: &[u8]) {
    let Some((kind, content)) = bytes.split_first() else { return };
    match kind % 5 {
        0 => whole(content),
        1 => patient(content),
        2 => image(content),
        3 => drop(serde_json::from_slice::<CaseMeta>(content)),
        // A table whose hashes are right around arbitrary sections.
        _ => whole(&sealed(&sections(content))),
    }
}

fn whole(bytes: &[u8]) {
    let _ = (case_hash(bytes), case_meta(bytes));
    if let Ok(section) = patient_section(bytes) {
        let _ = decode_patient(section);
    }
    if let Ok(case) = Case::decode(bytes) {
        // What was read is written and read again: the same case.
        assert!(Case::decode(&case.encode()).is_ok_and(|again| same(&again, &case)));
    }
}

/// Equal but for numbers that are none, which the meta section may hold.
fn same(a: &Case, b: &Case) -> bool {
    a.patient == b.patient && a.ct == b.ct && a.mr == b.mr
}

fn patient(raw: &[u8]) {
    let packed = zstd::bulk::compress(raw, 1).unwrap_or_default();
    if let Ok(patient) = decode_patient(&packed) {
        assert!(decode_patient(&encode_patient(&patient)).is_ok_and(|again| again == patient));
    }
    let _ = decode_patient(raw);
}

fn image(content: &[u8]) {
    // As the CT of a case that is whole otherwise.
    let grid = Grid::new([0.0; 3], 0.5, [1, 1, 1]).expect("a grid");
    let patient = Patient::new(grid, Vec::new(), DensityField::default()).map(|patient| encode_patient(&patient));
    whole(&sealed(&[b"{}".to_vec(), patient.unwrap_or_default(), content.to_vec()]));
    let at = content.len().min(usize::from(content.first().copied().unwrap_or(0)) + 160);
    let (header, rest) = content.split_at(at);
    for header in [header, content] {
        let Ok(mut image) = ImageBricks::from_header(header) else { continue };
        let _ = (image.insert(0, rest), image.insert(1, &zstd::bulk::compress(rest, 1).unwrap_or_default()));
        let _ = image.sample_hu(image.geometry().patient_from_index([1.5, 1.5, 1.5]));
    }
}

/// Sections as long as the content's first four bytes say; the patient's is packed.
fn sections(content: &[u8]) -> Vec<Vec<u8>> {
    let (lengths, mut rest) = content.split_at(content.len().min(4));
    let mut sections = Vec::new();
    for (n, length) in lengths.iter().enumerate() {
        let (section, left) = rest.split_at(rest.len().min(usize::from(*length) * 4));
        rest = left;
        sections.push(if n == 1 { zstd::bulk::compress(section, 1).unwrap_or_default() } else { section.to_vec() });
    }
    sections
}

/// A case file of the first sections there are, with their right hashes.
fn sealed(sections: &[Vec<u8>]) -> Vec<u8> {
    let mut table = MAGIC.to_vec();
    table.extend([1, 0, sections.len() as u8, 0, 0, 0, 0, 0]);
    for (n, section) in sections.iter().enumerate() {
        table.extend([n as u8 + 1, 0, 0, 0, 0, 0, 0, 0]);
        table.extend((section.len() as u64).to_le_bytes());
        table.extend(blake3::hash(section).as_bytes());
    }
    [table, sections.concat()].concat()
}
