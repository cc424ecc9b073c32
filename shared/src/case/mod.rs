//! The case file: one patient as `spinor prepare` leaves it, immutable, content-hashed, without identity.
//!
//! All numbers are little-endian.
//!
//! | bytes | what |
//! | --- | --- |
//! | 8 | magic `SPINCASE` |
//! | 2 | format version, now 1 |
//! | 2 | number of sections n |
//! | 4 | zero |
//! | n × 48 | table: u16 kind, 6 zero bytes, u64 length, 32 bytes blake3 of the content; kinds rise |
//! | ... | the sections' contents, one after the other in the order of the table |
//!
//! Kinds: 1 `meta` (JSON, [`CaseMeta`]), 2 `patient` ([`encode_patient`]), 3 `ct` and 4 `mr` (optional, [`ImageBricks`]).
//! The [`CaseHash`] is the blake3 of everything before the contents: it holds the hash of each section, so it changes with any
//! byte of the case, and one section can be checked without the others.
//!
//! # Adding a version
//! 1. Copy what this version reads into a module of its own (`v1.rs`) that decodes into today's [`Case`], and freeze it.
//! 2. Raise [`VERSION`], change the writer, and choose the reader by the version in [`read_table`].
//! 3. Put a small file written by the old version under `tests/recordings/` (a recording holds its case) and open it in a test for good.
//!
//! A field added to the meta section needs none of this: unknown fields are skipped and missing ones get their default.

mod bytes;
mod error;
mod image;
mod meta;
mod patient;
#[cfg(test)]
pub(crate) mod test_cases;

use std::fmt;

use spinor_volume::Patient;

pub use error::CaseError;
pub use image::{IDENTITY, IMAGE_BRICK, IMAGE_BRICK_VOXELS, ImageBricks, ImageGeometry, MAX_PACKED_BRICK};
pub use meta::{BakeMeta, CaseMeta, RegistrationMeta, StructureMeta};
pub use patient::{decode_patient, encode_patient};

/// First bytes of a case file.
pub const MAGIC: [u8; 8] = *b"SPINCASE";
/// The format version this program writes, and the newest it reads.
pub const VERSION: u16 = 1;
/// Most bytes the meta section may have.
const MAX_META: usize = 1 << 20;
const ROW: usize = 48;
const HEAD: usize = 16;

/// What a section holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u16)]
pub enum Section {
    /// How the case was made.
    Meta = 1,
    /// Grid, structures and density.
    Patient = 2,
    /// The CT around the structures.
    Ct = 3,
    /// The MR, in its own geometry.
    Mr = 4,
}

impl Section {
    const ALL: [Self; 4] = [Self::Meta, Self::Patient, Self::Ct, Self::Mr];

    /// The section's name in errors and listings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Patient => "patient",
            Self::Ct => "ct",
            Self::Mr => "mr",
        }
    }
}

/// Names a case by its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CaseHash(pub [u8; 32]);

impl fmt::Display for CaseHash {
    /// 64 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// One patient, ready for an operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Grid, structures and density.
    pub patient: Patient,
    /// The CT around the structures, on its own oblique lattice, for slices.
    pub ct: Option<ImageBricks>,
    /// The MR, on its own lattice, for slices.
    pub mr: Option<ImageBricks>,
    /// How all this was made.
    pub meta: CaseMeta,
}

impl Case {
    /// The bytes of a case file.
    pub fn encode(&self) -> Vec<u8> {
        let sections = self.sections();
        let mut out = write_table(&sections);
        sections.iter().for_each(|(_, content)| out.extend_from_slice(content));
        out
    }

    /// A case from the bytes of a file, whoever wrote them. Every section is checked against its hash before it is read.
    ///
    /// # Errors
    /// What is wrong and in which section.
    pub fn decode(bytes: &[u8]) -> Result<Self, CaseError> {
        let table = read_table(bytes)?;
        let image = |section| table.find(section).map(|at| ImageBricks::decode(at.checked(bytes)?)).transpose();
        let patient = decode_patient(table.get(Section::Patient)?.checked(bytes)?)?;
        Ok(Self { patient, ct: image(Section::Ct)?, mr: image(Section::Mr)?, meta: read_meta(&table, bytes)? })
    }

    /// The case's hash. It encodes the case to get it: prefer [`case_hash`] where the file's bytes are at hand.
    pub fn hash(&self) -> CaseHash {
        CaseHash(*blake3::hash(&write_table(&self.sections())).as_bytes())
    }

    fn sections(&self) -> Vec<(Section, Vec<u8>)> {
        // Serialising plain structs and strings to JSON cannot fail.
        let meta = serde_json::to_vec_pretty(&self.meta).unwrap_or_default();
        let mut sections = vec![(Section::Meta, meta), (Section::Patient, encode_patient(&self.patient))];
        sections.extend(self.ct.iter().map(|image| (Section::Ct, image.encode())));
        sections.extend(self.mr.iter().map(|image| (Section::Mr, image.encode())));
        sections
    }
}

/// Where a section's content lies in the file, and its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectionEntry {
    /// What it holds.
    pub section: Section,
    /// Its first byte in the file.
    pub start: usize,
    /// Its length in bytes.
    pub length: usize,
    /// blake3 of its content.
    pub hash: [u8; 32],
}

impl SectionEntry {
    /// The section's content, checked against its hash.
    fn checked<'a>(&self, bytes: &'a [u8]) -> Result<&'a [u8], CaseError> {
        let name = self.section.name();
        let content = bytes.get(self.start..self.start + self.length).ok_or(CaseError::Truncated(name))?;
        if *blake3::hash(content).as_bytes() == self.hash { Ok(content) } else { Err(CaseError::HashMismatch(name)) }
    }
}

/// A case file's table of sections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseTable {
    /// The format version the file was written in.
    pub version: u16,
    /// The case's hash.
    pub hash: CaseHash,
    /// The sections in the order of the file.
    pub sections: Vec<SectionEntry>,
}

impl CaseTable {
    fn find(&self, section: Section) -> Option<&SectionEntry> {
        self.sections.iter().find(|entry| entry.section == section)
    }

    fn get(&self, section: Section) -> Result<&SectionEntry, CaseError> {
        self.find(section).ok_or(CaseError::MissingSection(section.name()))
    }
}

/// The table of a case file: at once, without reading the sections.
///
/// # Errors
/// When the bytes are no case, of an unknown version, or shorter or longer than their table says.
pub fn read_table(bytes: &[u8]) -> Result<CaseTable, CaseError> {
    if bytes.get(..MAGIC.len()) != Some(&MAGIC[..]) {
        return Err(CaseError::NotACase);
    }
    let mut input = bytes::Input::new(&bytes[MAGIC.len()..], "table of sections");
    let version = input.u16()?;
    if version != VERSION {
        return Err(CaseError::Version(version));
    }
    let count = usize::from(input.u16()?);
    if count > Section::ALL.len() {
        let (value, limit) = (count as u64, Section::ALL.len() as u64);
        return Err(CaseError::TooLarge { what: "number of sections", value, limit });
    }
    if input.u32()? != 0 {
        return Err(CaseError::Malformed("reserved bytes"));
    }
    let head = HEAD + ROW * count;
    let mut start = head;
    let mut sections: Vec<SectionEntry> = Vec::with_capacity(count);
    for _ in 0..count {
        let kind = input.u16()?;
        let section = Section::ALL.into_iter().find(|s| *s as u16 == kind).ok_or(CaseError::UnknownSection(kind))?;
        if sections.last().is_some_and(|last| last.section >= section) {
            return Err(CaseError::SectionOrder(section.name()));
        }
        let mut rest = [0; 46];
        input.fill(&mut rest)?;
        let (zero, rest) = rest.split_at(6);
        let (length, hash) = rest.split_at(8);
        if zero != [0; 6] {
            return Err(CaseError::Malformed("reserved bytes"));
        }
        let length = length.iter().rev().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        let end = usize::try_from(length).ok().and_then(|length| start.checked_add(length));
        let Some(end) = end.filter(|end| *end <= bytes.len()) else { return Err(CaseError::Truncated(section.name())) };
        let mut entry = SectionEntry { section, start, length: end - start, hash: [0; 32] };
        entry.hash.copy_from_slice(hash);
        sections.push(entry);
        start = end;
    }
    if start != bytes.len() {
        return Err(CaseError::Trailing("last section"));
    }
    Ok(CaseTable { version, hash: CaseHash(*blake3::hash(&bytes[..head]).as_bytes()), sections })
}

/// The hash of a case file. It is that of the table: a section that does not fit its table shows itself when it is read.
///
/// # Errors
/// As [`read_table`].
pub fn case_hash(bytes: &[u8]) -> Result<CaseHash, CaseError> {
    Ok(read_table(bytes)?.hash)
}

/// What a case file says about itself, at once: only the meta section is read.
///
/// # Errors
/// As [`read_table`], and a meta section that is damaged or missing.
pub fn case_meta(bytes: &[u8]) -> Result<CaseMeta, CaseError> {
    read_meta(&read_table(bytes)?, bytes)
}

/// The compressed grid, structures and density of a case file, checked against their hash: what a server sends to whoever joins,
/// and [`decode_patient`] reads.
///
/// # Errors
/// As [`read_table`], and a patient section that is damaged or missing.
pub fn patient_section(bytes: &[u8]) -> Result<&[u8], CaseError> {
    read_table(bytes)?.get(Section::Patient)?.checked(bytes)
}

fn read_meta(table: &CaseTable, bytes: &[u8]) -> Result<CaseMeta, CaseError> {
    let content = table.get(Section::Meta)?.checked(bytes)?;
    if content.len() > MAX_META {
        let (value, limit) = (content.len() as u64, MAX_META as u64);
        return Err(CaseError::TooLarge { what: "length of the meta section", value, limit });
    }
    let mut value: serde_json::Value = serde_json::from_slice(content)?;
    if !value.is_object() {
        return Err(CaseError::Meta(serde::de::Error::custom("it is no JSON object")));
    }
    one_line(&mut value);
    Ok(serde_json::from_value(value)?)
}

/// Puts a space for every control character in a value's texts: they are shown as lines of lists, in terminals and headsets.
fn one_line(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(text) if text.contains(char::is_control) => *text = text.replace(char::is_control, " "),
        serde_json::Value::Array(values) => values.iter_mut().for_each(one_line),
        serde_json::Value::Object(members) => members.values_mut().for_each(one_line),
        _ => {}
    }
}

fn write_table(sections: &[(Section, Vec<u8>)]) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend(VERSION.to_le_bytes());
    out.extend((sections.len() as u16).to_le_bytes());
    out.extend([0; 4]);
    for (section, content) in sections {
        out.extend((*section as u16).to_le_bytes());
        out.extend([0; 6]);
        out.extend((content.len() as u64).to_le_bytes());
        out.extend(blake3::hash(content).as_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::test_cases::{case, patient};
    use super::*;
    use proptest::prelude::*;

    /// A whole case survives encoding, and its parts can be read without the rest.
    #[test]
    fn a_case_survives_its_file() {
        let before = case(11);
        let bytes = before.encode();
        assert_eq!(Case::decode(&bytes).unwrap(), before);
        assert_eq!(case_hash(&bytes).unwrap(), before.hash());
        assert_eq!(case_meta(&bytes).unwrap(), before.meta);
        assert_eq!(decode_patient(patient_section(&bytes).unwrap()).unwrap(), before.patient);
        let names: Vec<&str> = read_table(&bytes).unwrap().sections.iter().map(|entry| entry.section.name()).collect();
        assert_eq!(names, ["meta", "patient", "ct", "mr"]);
    }

    /// The same case gives the same bytes; another patient, or another word in the meta section, another hash.
    #[test]
    fn the_hash_names_the_content() {
        let a = case(11);
        assert_eq!(a.encode(), case(11).encode());
        let mut b = a.clone();
        b.meta.warnings.push("another".into());
        assert_ne!(a.hash(), b.hash());
        let mut c = a.clone();
        c.patient = patient(12);
        assert_ne!(a.hash(), c.hash());
        assert_eq!(a.hash().to_string().len(), 64);
    }

    /// A file cut short at any place is refused, never taken for a smaller case.
    #[test]
    fn truncations_are_refused() {
        let bytes = case(5).encode();
        for length in (0..200).chain((200..bytes.len()).step_by(997)).chain([bytes.len() - 1]) {
            assert!(Case::decode(&bytes[..length]).is_err(), "{length} of {} bytes were taken", bytes.len());
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(matches!(Case::decode(&longer), Err(CaseError::Trailing(_))));
    }

    /// A flipped bit anywhere in a section is named together with its section.
    #[test]
    fn a_flipped_bit_names_its_section() {
        let bytes = case(5).encode();
        for entry in read_table(&bytes).unwrap().sections {
            for at in [entry.start, entry.start + entry.length / 2, entry.start + entry.length - 1] {
                let mut flipped = bytes.clone();
                flipped[at] ^= 4;
                let error = Case::decode(&flipped).unwrap_err();
                assert!(matches!(error, CaseError::HashMismatch(name) if name == entry.section.name()), "{error}");
            }
        }
        let mut newer = bytes.clone();
        newer[8] = 9;
        assert!(matches!(Case::decode(&newer), Err(CaseError::Version(9))));
        assert!(matches!(Case::decode(b"SPINREC"), Err(CaseError::NotACase)));
    }

    /// A length near the type's end does not overflow, and a table without a patient is named.
    #[test]
    fn crafted_tables_are_refused() {
        let bytes = case(5).encode();
        let mut huge = bytes.clone();
        huge[HEAD + 8..HEAD + 16].fill(0xff);
        assert!(matches!(Case::decode(&huge), Err(CaseError::Truncated("meta"))));
        let empty = write_table(&[]);
        assert!(matches!(Case::decode(&empty), Err(CaseError::MissingSection("patient"))));
        let twice = write_table(&[(Section::Meta, vec![]), (Section::Meta, vec![])]);
        assert!(matches!(read_table(&twice), Err(CaseError::SectionOrder("meta"))));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Any patient survives its section.
        #[test]
        fn any_patient_survives(seed in any::<u32>()) {
            let before = patient(seed);
            prop_assert_eq!(decode_patient(&encode_patient(&before)).unwrap(), before);
        }

        /// A section with bytes changed and a fitting hash, as somebody who crafts a file would make it, errs or decodes; it never panics.
        #[test]
        fn crafted_sections_never_panic(seed in 0_u32..4, at in any::<prop::sample::Index>(), byte in any::<u8>(), kind in 0_usize..3) {
            let case = case(seed);
            let mut content = match kind {
                0 => serde_json::to_vec(&case.meta).unwrap(),
                1 => encode_patient(&case.patient),
                _ => case.ct.as_ref().unwrap().encode(),
            };
            let at = at.index(content.len());
            content[at] = byte;
            match kind {
                0 => { let _ = serde_json::from_slice::<CaseMeta>(&content); }
                1 => { let _ = decode_patient(&content); }
                _ => if let Ok(image) = ImageBricks::decode(&content) {
                    let _ = image.sample_hu(image.geometry().patient_from_index([1.5, 1.5, 1.5]));
                }
            }
        }

        /// The uncompressed patient with any byte changed errs or decodes; it never panics.
        #[test]
        fn crafted_patients_never_panic(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut raw = zstd::bulk::decompress(&encode_patient(&patient(1)), 64 << 20).unwrap();
            // Most of the bytes are samples; the head and the numbers are what matters.
            let head = raw.len().min(600);
            let at = at.index(head);
            raw[at] = byte;
            let _ = decode_patient(&zstd::bulk::compress(&raw, 1).unwrap());
        }
    }
}
