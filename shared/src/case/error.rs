//! Why bytes are not a case.

use spinor_volume::{GridError, PatientError};
use thiserror::Error;

/// Why a case file, or one of its sections, was refused. Nothing of it has been taken over then.
#[derive(Debug, Error)]
pub enum CaseError {
    /// The first bytes are not those of a case file.
    #[error("not a Spinor case: the file does not begin with SPINCASE")]
    NotACase,
    /// Written by a program newer (or damaged) than this one.
    #[error("case format version {0} is unknown here (this program reads version {newest}); a newer Spinor may read it", newest = super::VERSION)]
    Version(u16),
    /// The bytes end before `what` does.
    #[error("the case ends inside its {0}: the file is cut short or its lengths are damaged")]
    Truncated(&'static str),
    /// Bytes are left over behind `what`.
    #[error("the case goes on behind its {0}")]
    Trailing(&'static str),
    /// A length or count above what any patient needs; refused before memory is taken for it.
    #[error("{what} of {value} is above the limit of {limit}")]
    TooLarge {
        /// The length or count in question.
        what: &'static str,
        /// What the bytes ask for.
        value: u64,
        /// The most that is accepted.
        limit: u64,
    },
    /// A section's content is not what its hash in the table promises.
    #[error("section `{0}` does not match its hash: the file was damaged or changed after it was written")]
    HashMismatch(&'static str),
    /// A section kind this version does not know, by its number.
    #[error("unknown section kind {0}")]
    UnknownSection(u16),
    /// A section that stands twice, or out of order.
    #[error("section `{0}` stands twice or out of order")]
    SectionOrder(&'static str),
    /// A section every case must have.
    #[error("the case has no section `{0}`")]
    MissingSection(&'static str),
    /// A value that cannot be.
    #[error("bad {0} in the case")]
    Malformed(&'static str),
    /// A compressed part cannot be decompressed.
    #[error("the {what} cannot be decompressed: {source}")]
    Decompress {
        /// The part in question.
        what: &'static str,
        /// What the decompressor says.
        source: std::io::Error,
    },
    /// The meta section is not the JSON it should be.
    #[error("the case's meta section cannot be read: {0}")]
    Meta(#[from] serde_json::Error),
    /// The grid cannot be.
    #[error("the case's grid is impossible: {0}")]
    Grid(#[from] GridError),
    /// The structures do not make a patient.
    #[error("the case's structures are impossible: {0}")]
    Patient(#[from] PatientError),
}
