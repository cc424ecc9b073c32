//! What a newcomer gets once: patient, cut snapshot, images. Paced, so that it never fills the send window that lanes need.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use quinn::{Connection, SendStream};
use spinor_shared::case::{Case, CaseError, ImageBricks, Section, patient_section, read_table};
use spinor_shared::net::frame::{frame, kind};
use spinor_shared::net::priority;
use spinor_sim::{NeuralFields, Settings};
use spinor_volume::Patient;
use spinor_volume::measure::{AnatomyError, Reference};
use tokio::time::Instant;

/// Bytes of the patient section in one frame.
const PIECE: usize = 32 * 1024;

/// A case as a server holds it: one for all rooms.
pub struct CaseData {
    /// The whole case file, for recordings.
    pub file: Vec<u8>,
    /// The case's hash.
    pub hash: [u8; 32],
    /// Hash of the patient section.
    pub patient_hash: [u8; 32],
    /// Length of the patient section.
    pub patient_bytes: u64,
    /// The patient.
    pub patient: Arc<Patient>,
    /// Distances to neural structures, which all rooms share.
    pub(crate) fields: Arc<NeuralFields>,
    /// Anatomy and measures of the uncut patient, found when somebody first asks.
    reference: OnceLock<Result<Reference, AnatomyError>>,
    meta: Bytes,
    patient_frames: Vec<Bytes>,
    images: Vec<(u8, ImageBricks)>,
}

impl CaseData {
    /// The case of a file's bytes.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(file: Vec<u8>) -> Result<Self, CaseError> {
        let case = Case::decode(&file)?;
        let table = read_table(&file)?;
        let section = patient_section(&file)?;
        let meta = table
            .sections
            .iter()
            .find(|entry| entry.section == Section::Meta)
            .and_then(|entry| file.get(entry.start..entry.start + entry.length))
            .unwrap_or_default();
        let images = [(0, case.ct), (1, case.mr)].into_iter().filter_map(|(which, image)| Some((which, image?))).collect();
        let patient = Arc::new(case.patient);
        Ok(Self {
            fields: NeuralFields::build(&patient, &Settings::default()),
            hash: table.hash.0,
            patient_hash: *blake3::hash(section).as_bytes(),
            patient_bytes: section.len() as u64,
            patient,
            reference: OnceLock::new(),
            meta: frame(kind::META, meta),
            patient_frames: section.chunks(PIECE).map(|piece| frame(kind::PATIENT, piece)).collect(),
            images,
            file,
        })
    }

    /// What live measures start from. Takes seconds the first time: not on the tick's thread.
    ///
    /// # Errors
    /// When the case shows too little of a spine.
    pub(crate) fn reference(&self) -> Result<&Reference, &AnatomyError> {
        self.reference.get_or_init(|| Reference::build(&self.patient)).as_ref()
    }
}

/// Keeps a stream at a share of what the connection's congestion control allows, and below a rate that the operator chose.
struct Pace {
    share: f64,
    most: f64,
    due: Instant,
}

impl Pace {
    async fn after(&mut self, connection: &Connection, bytes: usize) {
        let path = connection.stats().path;
        let allowed = path.cwnd as f64 / path.rtt.as_secs_f64().max(0.001) * self.share;
        let rate = allowed.min(self.most).max(20_000.0);
        let now = Instant::now();
        self.due = self.due.max(now) + Duration::from_secs_f64(bytes as f64 / rate);
        if self.due > now + Duration::from_millis(2) {
            tokio::time::sleep_until(self.due).await;
        }
    }
}

/// Sends patient (unless the client has it) and cut snapshot, then the images.
pub(crate) async fn send_all(
    connection: Connection,
    case: Arc<CaseData>,
    (have_patient, want_images): (bool, bool),
    snapshot: Vec<Bytes>,
    bytes_per_second: f64,
) {
    let Ok(mut stream) = connection.open_uni().await else { return };
    let _ = stream.set_priority(priority::SNAPSHOT);
    // A little more than the window, so that the window grows while it is used.
    let mut pace = Pace { share: 1.25, most: bytes_per_second, due: Instant::now() };
    let patient: &[Bytes] = if have_patient { &[] } else { &case.patient_frames };
    for piece in std::iter::once(&case.meta).chain(patient).chain(&snapshot) {
        if !write(&mut stream, &connection, piece.clone(), &mut pace).await {
            return;
        }
    }
    let _ = stream.finish();
    if !want_images {
        return;
    }
    let Ok(mut stream) = connection.open_uni().await else { return };
    let _ = stream.set_priority(priority::IMAGES);
    let mut pace = Pace { share: 0.6, most: bytes_per_second, due: Instant::now() };
    for (which, image) in &case.images {
        let header = frame(kind::IMAGE, &[&[*which][..], &image.header()].concat());
        if !write(&mut stream, &connection, header, &mut pace).await {
            return;
        }
        for brick in (0..image.brick_count()).filter_map(|n| image.packed(n).map(|packed| (n, packed))) {
            let payload = [&[*which][..], &brick.0.to_le_bytes(), brick.1].concat();
            if !write(&mut stream, &connection, frame(kind::IMAGE_BRICK, &payload), &mut pace).await {
                return;
            }
        }
    }
    let _ = stream.finish();
}

async fn write(stream: &mut SendStream, connection: &Connection, bytes: Bytes, pace: &mut Pace) -> bool {
    let length = bytes.len();
    let written = stream.write_chunk(bytes).await.is_ok();
    pace.after(connection, length).await;
    written
}
