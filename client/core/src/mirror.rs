//! The client's copy of patient and cut fields, fed with frames as they come from the server's streams.
//!
//! Frames may come in any order across streams: deltas are live from the first moment, the snapshot that they build upon comes later and
//! more slowly. A delta whose base has not arrived waits; one whose base never comes, or whose result has the wrong digest, makes the
//! mirror ask for the whole brick.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use spinor_shared::case::{CaseError, CaseMeta, ImageBricks, decode_patient};
use spinor_shared::codec::{self, CodecError};
use spinor_shared::delta::{
    BrickDelta, Cause, DeltaError, LaneFrame, MAX_BRICKS, SnapshotEnd, SnapshotFrame, UNTOUCHED, Unpacker,
};
use spinor_shared::net::control::BrickName;
use spinor_shared::net::frame::kind;
use spinor_shared::net::limit;
use spinor_shared::wire::{WireError, class_from_number};
use spinor_volume::cut::{CutError, CutState, Dirty};
use spinor_volume::{BrickIndex, BrickSamples, BrickState, Patient, TissueClass};
use thiserror::Error;

/// Bytes of deltas that may wait for the patient or for the snapshot; a client that is that slow starts anew.
const EARLY: usize = 64 << 20;
/// Shown inputs that are kept for somebody who asks for them: a second of everybody's. Who never asks loses the older ones.
const SHOWN: usize = 4_096;

/// Why a frame cannot be taken in. The connection that brought it is of no use any more.
#[derive(Debug, Error)]
pub enum MirrorError {
    /// The bytes are no frame.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// Patient or images.
    #[error(transparent)]
    Case(#[from] CaseError),
    /// A brick.
    #[error(transparent)]
    Delta(#[from] DeltaError),
    /// A class that does not exist.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A brick that the patient's grid lacks.
    #[error(transparent)]
    Cut(#[from] CutError),
    /// The patient section is longer than announced, or another one.
    #[error("the patient that was sent is not the one that was announced")]
    OtherPatient,
    /// Too much came before what it builds upon.
    #[error("more than {EARLY} bytes of changes came before the patient or the state they build upon")]
    TooEarly,
    /// A frame that makes no sense where it came.
    #[error("a frame of kind {0} came out of place")]
    OutOfPlace(u8),
}

/// Which image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The CT.
    Ct = 0,
    /// The MR.
    Mr = 1,
}

/// The copy.
pub struct Mirror {
    patient: Option<Arc<Patient>>,
    patient_hash: [u8; 32],
    patient_bytes: usize,
    incoming: Vec<u8>,
    meta: Option<CaseMeta>,
    cut: Option<CutState>,
    epoch: u32,
    tick: u32,
    complete: bool,
    early: Vec<(u8, Vec<u8>)>,
    early_bytes: usize,
    waiting: BTreeMap<(TissueClass, BrickIndex), Vec<BrickDelta>>,
    waiting_bytes: usize,
    old: BTreeMap<(TissueClass, BrickIndex), Box<BrickSamples>>,
    asked: BTreeSet<BrickName>,
    wanted: Vec<BrickName>,
    dirty: Vec<Dirty>,
    shown: Vec<(u32, Cause)>,
    images: [Option<ImageBricks>; 2],
    images_changed: bool,
    unpacker: Unpacker,
    repairs: u64,
    snapshot_bytes: u64,
}

impl Mirror {
    /// An empty mirror.
    ///
    /// # Errors
    /// When zstd has no memory.
    pub fn new() -> Result<Self, MirrorError> {
        Ok(Self {
            patient: None,
            patient_hash: [0; 32],
            patient_bytes: 0,
            incoming: Vec::new(),
            meta: None,
            cut: None,
            epoch: 0,
            tick: 0,
            complete: false,
            early: Vec::new(),
            early_bytes: 0,
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            old: BTreeMap::new(),
            asked: BTreeSet::new(),
            wanted: Vec::new(),
            dirty: Vec::new(),
            shown: Vec::new(),
            images: [None, None],
            images_changed: false,
            unpacker: Unpacker::new()?,
            repairs: 0,
            snapshot_bytes: 0,
        })
    }

    /// Prepares for a connection to a room with that patient. What was cut before stays to be seen until the new snapshot is complete.
    /// Returns whether the patient is here already.
    ///
    /// # Errors
    /// When the patient section is longer than any patient needs.
    pub fn begin(&mut self, patient_hash: [u8; 32], patient_bytes: u64, epoch: u32) -> Result<bool, MirrorError> {
        if patient_bytes > limit::PATIENT {
            return Err(MirrorError::OtherPatient);
        }
        let have = self.patient.is_some() && self.patient_hash == patient_hash;
        if have {
            if let (Some(cut), Some(patient)) = (&mut self.cut, &self.patient) {
                self.old.extend(cut.cut_bricks().map(|(class, brick, _, samples)| ((class, brick), Box::new(*samples))));
                *cut = CutState::new(patient.grid());
            }
        } else {
            (self.patient, self.cut, self.meta, self.images) = (None, None, None, [None, None]);
            self.dirty.clear();
            self.old.clear();
        }
        self.patient_hash = patient_hash;
        self.patient_bytes = patient_bytes as usize;
        self.incoming = Vec::new();
        (self.epoch, self.complete, self.early_bytes) = (epoch, false, 0);
        self.early.clear();
        self.waiting.clear();
        self.waiting_bytes = 0;
        self.asked.clear();
        self.wanted.clear();
        self.snapshot_bytes = 0;
        Ok(have)
    }

    /// Takes a frame of any of the server's streams but control.
    ///
    /// # Errors
    /// When the frame is damaged or makes no sense; the connection should be closed and joined anew.
    pub fn take(&mut self, frame_kind: u8, payload: &[u8]) -> Result<(), MirrorError> {
        match frame_kind {
            kind::PATIENT => self.take_patient(payload),
            kind::META => {
                self.meta = meta_of(payload);
                Ok(())
            }
            kind::LANE | kind::SNAPSHOT | kind::SNAPSHOT_END if self.patient.is_none() => {
                self.early_bytes += payload.len();
                if self.early_bytes > EARLY {
                    return Err(MirrorError::TooEarly);
                }
                self.early.push((frame_kind, payload.to_vec()));
                Ok(())
            }
            kind::LANE => self.take_lane(codec::decode(payload)?),
            kind::SNAPSHOT => {
                self.snapshot_bytes += payload.len() as u64 + 5;
                self.take_snapshot(codec::decode(payload)?)
            }
            kind::SNAPSHOT_END => {
                self.snapshot_bytes += payload.len() as u64 + 5;
                self.end_snapshot(codec::decode(payload)?)
            }
            kind::IMAGE | kind::IMAGE_BRICK => self.take_image(frame_kind, payload),
            other => Err(MirrorError::OutOfPlace(other)),
        }
    }

    fn take_patient(&mut self, piece: &[u8]) -> Result<(), MirrorError> {
        if self.patient.is_some() || self.incoming.len() + piece.len() > self.patient_bytes {
            return Err(MirrorError::OtherPatient);
        }
        self.incoming.extend_from_slice(piece);
        if self.incoming.len() < self.patient_bytes {
            return Ok(());
        }
        let section = std::mem::take(&mut self.incoming);
        if *blake3::hash(&section).as_bytes() != self.patient_hash {
            return Err(MirrorError::OtherPatient);
        }
        let patient = Arc::new(decode_patient(&section)?);
        self.set_patient(patient)
    }

    /// Gives the mirror a patient that it would otherwise be sent: from a cache, or shared between bots. Call before [`Self::begin`].
    pub fn preload(&mut self, patient: Arc<Patient>, patient_hash: [u8; 32]) {
        self.cut = Some(CutState::new(patient.grid()));
        self.patient = Some(patient);
        self.patient_hash = patient_hash;
    }

    fn set_patient(&mut self, patient: Arc<Patient>) -> Result<(), MirrorError> {
        self.cut = Some(CutState::new(patient.grid()));
        self.patient = Some(patient);
        for (frame_kind, payload) in std::mem::take(&mut self.early) {
            self.take(frame_kind, &payload)?;
        }
        Ok(())
    }

    fn take_lane(&mut self, frame: LaneFrame) -> Result<(), MirrorError> {
        if frame.epoch != self.epoch || frame.bricks.len() > MAX_BRICKS {
            return if frame.epoch < self.epoch { Ok(()) } else { Err(MirrorError::OutOfPlace(kind::LANE)) };
        }
        self.tick = self.tick.max(frame.tick);
        for delta in frame.bricks {
            self.take_delta(delta)?;
        }
        self.shown.extend(frame.causes.into_iter().map(|cause| (frame.tick, cause)));
        if self.shown.len() > 2 * SHOWN {
            self.shown.drain(..self.shown.len() - SHOWN);
        }
        Ok(())
    }

    fn take_snapshot(&mut self, frame: SnapshotFrame) -> Result<(), MirrorError> {
        if frame.epoch != self.epoch || frame.bricks.len() > MAX_BRICKS {
            // A snapshot that was on its way when the room went back.
            return if frame.epoch < self.epoch { Ok(()) } else { Err(MirrorError::OutOfPlace(kind::SNAPSHOT)) };
        }
        for brick in frame.bricks {
            let key = (class_from_number(brick.class)?, BrickIndex(brick.brick));
            self.take_delta(brick)?;
            for delta in self.waiting.remove(&key).unwrap_or_default() {
                self.take_delta(delta)?;
            }
        }
        Ok(())
    }

    fn end_snapshot(&mut self, end: SnapshotEnd) -> Result<(), MirrorError> {
        if end.epoch != self.epoch {
            return if end.epoch < self.epoch { Ok(()) } else { Err(MirrorError::OutOfPlace(kind::SNAPSHOT_END)) };
        }
        self.complete = true;
        self.waiting_bytes = 0;
        self.tick = self.tick.max(end.tick);
        for deltas in std::mem::take(&mut self.waiting).into_values() {
            for delta in deltas {
                self.take_delta(delta)?;
            }
        }
        // What was cut before a reconnect and is not cut now has to be meshed again too.
        let (Some(patient), Some(cut)) = (&self.patient, &self.cut) else { return Ok(()) };
        let mut before = CutState::new(patient.grid());
        for ((class, brick), samples) in std::mem::take(&mut self.old) {
            if cut.version(class, brick) == 0 {
                self.dirty.extend(before.replace(patient, class, brick, 0, &samples)?);
            }
        }
        Ok(())
    }

    fn take_delta(&mut self, delta: BrickDelta) -> Result<(), MirrorError> {
        let (Some(patient), Some(cut)) = (&self.patient, &mut self.cut) else {
            return Err(MirrorError::OutOfPlace(kind::LANE));
        };
        let (class, brick) = (class_from_number(delta.class)?, BrickIndex(delta.brick));
        let name = BrickName { class: delta.class, brick: delta.brick };
        let have = cut.version(class, brick);
        let asked = self.asked.contains(&name);
        match delta.base {
            // A version that is here already: the snapshot was newer, or a repeated repair.
            _ if delta.version <= have && !(asked && delta.base.is_none()) => return Ok(()),
            Some(base) if base > have && !self.complete => {
                self.waiting_bytes += delta.packed.len() + size_of::<BrickDelta>();
                if self.waiting_bytes > EARLY {
                    return Err(MirrorError::TooEarly);
                }
                self.waiting.entry((class, brick)).or_default().push(delta);
                return Ok(());
            }
            _ => {}
        }
        let old = match cut.field(class).brick(brick) {
            BrickState::Samples(samples) => samples,
            _ => &UNTOUCHED,
        };
        match self.unpacker.apply(&delta, have, old) {
            Ok(samples) => {
                self.dirty.extend(cut.replace(patient, class, brick, delta.version, &samples)?);
                if delta.base.is_none() {
                    self.asked.remove(&name);
                }
            }
            Err(DeltaError::Base { .. } | DeltaError::Digest { .. }) if delta.base.is_some() => {
                if self.asked.insert(name) {
                    self.wanted.push(name);
                    self.repairs += 1;
                }
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn take_image(&mut self, frame_kind: u8, payload: &[u8]) -> Result<(), MirrorError> {
        let out_of_place = MirrorError::OutOfPlace(frame_kind);
        let Some((which, rest)) = payload.split_first().filter(|(which, _)| **which < 2) else { return Err(out_of_place) };
        let slot = &mut self.images[usize::from(*which)];
        if frame_kind == kind::IMAGE {
            *slot = Some(ImageBricks::from_header(rest)?);
        } else {
            let Some((number, packed)) = rest.split_first_chunk::<4>() else { return Err(out_of_place) };
            slot.as_mut().ok_or(out_of_place)?.insert(u32::from_le_bytes(*number), packed)?;
        }
        self.images_changed = true;
        Ok(())
    }

    /// The patient, once it is here.
    pub fn patient(&self) -> Option<&Arc<Patient>> {
        self.patient.as_ref()
    }

    /// The cut fields, once the patient is here.
    pub fn cut(&self) -> Option<&CutState> {
        self.cut.as_ref()
    }

    /// What the case says about itself.
    pub fn meta(&self) -> Option<&CaseMeta> {
        self.meta.as_ref()
    }

    /// An image, as far as its bricks have arrived.
    pub fn image(&self, which: Which) -> Option<&ImageBricks> {
        self.images[which as usize].as_ref()
    }

    /// Whether image bricks came since this was asked last.
    pub fn take_images_changed(&mut self) -> bool {
        std::mem::take(&mut self.images_changed)
    }

    /// Whether patient and snapshot are here: from then on the mirror shows what the server has, but for what is on its way.
    pub fn is_complete(&self) -> bool {
        self.complete && self.patient.is_some()
    }

    /// The newest tick of which anything came.
    pub fn tick(&self) -> u32 {
        self.tick
    }

    /// The epoch of the versions.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Bricks to mesh again since this was asked last, without repetition.
    pub fn take_dirty(&mut self) -> Vec<Dirty> {
        let mut dirty = std::mem::take(&mut self.dirty);
        dirty.sort_unstable_by_key(|d| (d.structure, d.brick));
        dirty.dedup_by_key(|d| (d.structure, d.brick));
        dirty
    }

    /// Inputs whose effect arrived since this was asked last, with the tick that shows it; one tick's may come in several frames.
    pub fn take_shown(&mut self) -> Vec<(u32, Cause)> {
        std::mem::take(&mut self.shown)
    }

    /// Bricks to ask the server for since this was asked last.
    pub fn take_wanted(&mut self) -> Vec<BrickName> {
        std::mem::take(&mut self.wanted)
    }

    /// [`CutState::digest`] of the copy; none before the patient is here.
    pub fn digest(&self) -> Option<u64> {
        self.cut.as_ref().map(CutState::digest)
    }

    /// Bricks that had to be asked for again.
    pub fn repairs(&self) -> u64 {
        self.repairs
    }

    /// Bytes of the last cut snapshot.
    pub fn snapshot_bytes(&self) -> u64 {
        self.snapshot_bytes
    }
}

fn meta_of(payload: &[u8]) -> Option<CaseMeta> {
    serde_json::from_slice(payload).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use spinor_volume::{DensityField, Grid, Label, Source, SparseField, Structure};

    fn mirror() -> Mirror {
        let grid = Grid::new([0.0; 3], 0.5, [2, 2, 2]).unwrap();
        let mut sdf = SparseField::outside(&grid);
        sdf.set_inside(BrickIndex(0));
        let label = Label::lumbar(4);
        let (class, source) = (label.class().unwrap(), Source::Phantom);
        let bone = Structure { label, class, source, uncertainty_mm: 0.0, volume_mm3: 1.0, sdf };
        let patient = Patient::new(grid, vec![bone], DensityField::default()).unwrap();
        let mut mirror = Mirror::new().unwrap();
        mirror.preload(Arc::new(patient), [1; 32]);
        assert!(mirror.begin([1; 32], 0, 0).unwrap());
        mirror
    }

    fn lane(tick: u32, causes: Vec<Cause>, bricks: Vec<BrickDelta>) -> Vec<u8> {
        codec::encode(&LaneFrame { epoch: 0, tick, causes, bricks }).unwrap()
    }

    /// A server that sends changes without end and never the state they build upon does not fill the client's memory.
    #[test]
    fn changes_without_a_snapshot_do_not_pile_up() {
        let mut mirror = mirror();
        let delta = BrickDelta { class: 0, brick: 0, base: Some(5), version: 6, digest: [0; 4], packed: vec![0; 1 << 20] };
        let frame = lane(1, Vec::new(), vec![delta]);
        let taken = (0..100).take_while(|_| mirror.take(kind::LANE, &frame).is_ok()).count();
        assert!((60..64).contains(&taken), "{taken} MiB");
        assert!(matches!(mirror.take(kind::LANE, &frame), Err(MirrorError::TooEarly)));
    }

    /// A renderer never asks which inputs became visible: what is kept for it stays small through a session of hours.
    #[test]
    fn shown_inputs_do_not_pile_up() {
        let mut mirror = mirror();
        for tick in 0..20_000 {
            let cause = Cause { user: 1, hand: 1, first: tick, last: tick };
            mirror.take(kind::LANE, &lane(tick, vec![cause], Vec::new())).unwrap();
        }
        let shown = mirror.take_shown();
        assert!(shown.len() <= 2 * SHOWN && shown.last().unwrap().0 == 19_999, "{}", shown.len());
    }
}
