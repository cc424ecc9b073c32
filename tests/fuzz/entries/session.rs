//! Any bytes as a recording: records or an error, a replay or an error, a keyframe or an error. The first byte chooses, so that a fuzzer
//! gets past the checksums.

use std::sync::Arc;

use spinor_shared::case::{Case, CaseMeta};
use spinor_shared::codec;
use spinor_shared::session::{
    Keyframe, Part, Record, Replay, ReplayState, SessionHead, SessionReader, SessionWriter, Tail, replay, restore_keyframe,
};
use spinor_volume::{BrickIndex, DensityField, Grid, Label, Patient, Source, SparseField, Structure};

/// Reads `bytes` in every way in which a recording's bytes are read.
pub(crate) fn run(bytes: &[u8]) {
    let Some((kind, content)) = bytes.split_first() else { return };
    match kind % 4 {
        0 => whole(content),
        1 => whole(&framed(content)),
        2 => records(content),
        _ => keyframe(content),
    }
}

/// A small patient: bone beside a dural sac.
fn case() -> Case {
    let grid = Grid::new([0.0; 3], 0.5, [2, 2, 1]).expect("a grid");
    let structure = |label: Label, brick: u32| {
        let mut sdf = SparseField::outside(&grid);
        sdf.set_inside(BrickIndex(brick));
        let class = label.class().expect("a known label");
        Structure { label, class, source: Source::Phantom, uncertainty_mm: 0.0, volume_mm3: 1.0, sdf }
    };
    let structures = vec![structure(Label::DURAL_SAC, 1), structure(Label::lumbar(4), 0)];
    let mut structures = structures;
    structures.sort_by_key(|s| s.label.0);
    let patient = Patient::new(grid, structures, DensityField::default()).expect("a patient");
    Case { patient, ct: None, mr: None, meta: CaseMeta::default() }
}

fn whole(bytes: &[u8]) {
    let Ok(mut reader) = SessionReader::open(bytes) else { return };
    while let Ok(Some(_)) = reader.next_record() {}
    match reader.tail() {
        // What is said to be whole reads again to the same end.
        Tail::Torn { bytes: end } | Tail::Whole { bytes: end } => {
            let mut again = SessionReader::open(&bytes[..end as usize]).expect("its first bytes are the same");
            while let Ok(Some(_)) = again.next_record() {}
            assert_eq!(again.tail(), Tail::Whole { bytes: end });
        }
        Tail::Unread => {}
    }
    if let Ok(mut opened) = Replay::open(bytes) {
        let _ = replay(&mut opened, Part::WHOLE, Some(1_000));
    }
}

/// A recording of the small case whose further frames have right sums: each as long as a byte before it says.
fn framed(mut content: &[u8]) -> Vec<u8> {
    let case = case();
    let head = SessionHead { case_hash: case.hash().0, room: "r".into(), software: "f".into(), started_unix_s: 0, tick_hz: 60 };
    let mut out = SessionWriter::create(Vec::new()).expect("memory");
    out.append(&Record::Head(head)).expect("memory");
    out.append(&Record::Case(case.encode())).expect("memory");
    let mut file = out.into_inner();
    while let Some((length, rest)) = content.split_first() {
        let (payload, rest) = rest.split_at(rest.len().min(usize::from(*length)));
        content = rest;
        file.extend((payload.len() as u32).to_le_bytes());
        file.extend(crc32fast::hash(payload).to_le_bytes());
        file.extend(payload);
    }
    file
}

/// Records one after the other, each as long as a byte before it says, applied to the small case.
fn records(mut content: &[u8]) {
    let case = Arc::new(case());
    let mut state = ReplayState::new(Arc::clone(&case), Part::WHOLE);
    while let Some((length, rest)) = content.split_first() {
        let (payload, rest) = rest.split_at(rest.len().min(usize::from(*length)));
        content = rest;
        let Ok(record) = codec::decode::<Record>(payload) else { continue };
        let again = codec::encode(&record).expect("what was decoded is encoded");
        assert_eq!(codec::decode::<Record>(&again).expect("what was encoded is decoded"), record);
        if let Record::Keyframe(keyframe) = &record {
            let _ = restore_keyframe(&case.patient, keyframe);
        }
        if state.advance(&record).is_err() {
            return;
        }
    }
}

fn keyframe(content: &[u8]) {
    let case = case();
    for bricks in [content.to_vec(), zstd::bulk::compress(content, 1).unwrap_or_default()] {
        let keyframe = Keyframe { tick: 0, epoch: 0, ops: 0, digest: 0, bricks };
        let _ = restore_keyframe(&case.patient, &keyframe);
    }
}
