//! A recording survives the death of its writer at any byte, names damage, and replays to the same digest in any number of parts.

use std::sync::Arc;

use super::*;
use crate::case::test_cases;
use crate::tissue::TissueRecord;
use crate::wire::{WireCut, WireShape};
use spinor_sim::{Detached, FragmentId, FragmentState, Hand, Holder, TissueOutput, ToolKind, UserId};
use spinor_volume::TissueClass;
use spinor_volume::cut::{CutOp, CutState};

/// A recording of `ticks` ticks with a cut each, a digest every fourth, a keyframe every tenth, and a rewind if asked for.
fn recording(ticks: u32, rewind: bool) -> (Vec<u8>, u64) {
    let case = test_cases::case(5);
    let hash = case.hash().0;
    let patient = &case.patient;
    let mut cut = CutState::new(patient.grid());
    let mut out = SessionWriter::create(Vec::new()).unwrap();
    let head = SessionHead { case_hash: hash, room: "theatre".into(), software: "test".into(), started_unix_s: 0, tick_hz: 60 };
    out.append(&Record::Head(head)).unwrap();
    out.append(&Record::Case(case.encode())).unwrap();
    let mut kept = cut.clone();
    for tick in 0..ticks {
        let at = [(tick as i32 * 97) % 900, (tick as i32 * 61) % 900, (tick as i32 * 31) % 900];
        let shape = WireShape::Capsule { a: at, b: [at[0] + 40, at[1], at[2]], radius: 150 };
        let wire = WireCut { classes: 0b1111, shape };
        let op = CutOp::try_from(wire).unwrap();
        op.check(patient.grid()).unwrap();
        cut.apply(patient, &op);
        let ops = vec![OpRecord { user: 1, hand: 1, tool: 0, input_seq: tick, cut: wire }];
        out.append(&Record::Tick(TickRecord { tick, ops, ..TickRecord::default() })).unwrap();
        if tick % 4 == 3 {
            out.append(&Record::Digest { tick, digest: cut.digest() }).unwrap();
        }
        if tick % 10 == 9 {
            out.append(&Record::Keyframe(keyframe_of(&cut, tick, 0, u64::from(tick) + 1).unwrap())).unwrap();
        }
        if tick == 2 {
            kept = cut.clone();
        }
    }
    if rewind {
        cut = kept;
        out.append(&Record::Epoch { tick: ticks, epoch: 1, from_tick: 2, reason: "rewind".into() }).unwrap();
        out.append(&Record::Digest { tick: ticks, digest: cut.digest() }).unwrap();
    }
    (out.into_inner(), cut.digest())
}

fn digests(bytes: &[u8], parts: u32) -> ReplaySummary {
    let mut whole: Option<ReplaySummary> = None;
    for index in 0..parts {
        let mut opened = Replay::open(bytes).unwrap();
        let (_, summary) = replay(&mut opened, Part { index, of: parts }, None).unwrap();
        match &mut whole {
            None => whole = Some(summary),
            Some(whole) => whole.add(&summary),
        }
    }
    whole.unwrap()
}

#[test]
fn replay_reaches_every_digest_in_any_number_of_parts() {
    let (bytes, digest) = recording(40, false);
    for parts in [1, 2, 5] {
        let summary = digests(&bytes, parts);
        assert_eq!((summary.digest, summary.mismatches(), summary.ops, summary.ticks), (digest, 0, 40, 40));
        assert_eq!(summary.checks.len(), 14);
    }
}

#[test]
fn a_rewind_takes_operations_back() {
    let (bytes, digest) = recording(40, true);
    let summary = digests(&bytes, 2);
    assert_eq!((summary.digest, summary.mismatches()), (digest, 0));
}

#[test]
fn a_wrong_digest_is_counted() {
    let (bytes, _) = recording(8, false);
    let mut reader = SessionReader::open(&bytes[..]).unwrap();
    let mut out = SessionWriter::create(Vec::new()).unwrap();
    while let Some(mut record) = reader.next_record().unwrap() {
        if let Record::Digest { tick: 3, digest } = &mut record {
            *digest ^= 1;
        }
        out.append(&record).unwrap();
    }
    assert_eq!(digests(&out.into_inner(), 1).mismatches(), 1);
}

/// Cut off after any byte, the recording opens up to the last whole record, and says where it is whole.
#[test]
fn a_torn_tail_is_dropped_at_every_byte() {
    let (bytes, _) = recording(6, false);
    let mut whole = Vec::new();
    let mut reader = SessionReader::open(&bytes[..]).unwrap();
    while reader.next_record().unwrap().is_some() {
        whole.push(reader.at());
    }
    assert_eq!(reader.tail(), Tail::Whole { bytes: bytes.len() as u64 });
    let from = whole[1] as usize;
    for length in from..bytes.len() {
        let mut reader = SessionReader::open(&bytes[..length]).unwrap();
        let count = reader.by_ref().inspect(|record| assert!(record.is_ok())).count();
        let expected = whole.iter().filter(|end| **end <= length as u64).count();
        assert_eq!(count, expected, "cut at {length}");
        let end = whole[expected - 1];
        let tail = if end == length as u64 { Tail::Whole { bytes: end } } else { Tail::Torn { bytes: end } };
        assert_eq!(reader.tail(), tail, "cut at {length}");
    }
}

/// A length that is too large in the middle is damage, and no torn end: a room that went on from there would have lost what follows.
#[test]
fn a_damaged_length_is_no_torn_tail() {
    let (bytes, _) = recording(6, false);
    let mut starts = vec![12];
    let mut reader = SessionReader::open(&bytes[..]).unwrap();
    while reader.next_record().unwrap().is_some() {
        starts.push(reader.at() as usize);
    }
    // All but the last record, behind which nothing follows, and the end.
    for start in &starts[..starts.len() - 2] {
        for byte in [2, 3] {
            let mut other = bytes.clone();
            other[start + byte] ^= if byte == 2 { 0x10 } else { 0x01 };
            let error = SessionReader::open(&other[..]).unwrap().find_map(Result::err);
            assert!(matches!(error, Some(SessionError::Damaged { at, .. }) if at == *start as u64), "{start}: {error:?}");
        }
    }
}

/// Where the last record of a recording starts.
fn last_start(bytes: &[u8]) -> usize {
    let mut reader = SessionReader::open(bytes).unwrap();
    let mut start = 12;
    while let Some(_record) = reader.next_record().unwrap() {
        if (reader.at() as usize) < bytes.len() {
            start = reader.at() as usize;
        }
    }
    start
}

/// The same where the damaged record is a keyframe of packed bytes, in which many a length fits by chance, with megabytes of whole records
/// behind it.
#[test]
fn a_damaged_length_is_found_before_much_that_is_whole() {
    let (bytes, _) = recording(6, false);
    let start = last_start(&bytes);
    // Bytes without a pattern, as packed ones are.
    let mut word = 1_u32;
    let mut noise = || {
        word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (word >> 24) as u8
    };
    let packed: Vec<u8> = (0..120_000).map(|_| noise()).collect();
    let whole = &bytes[12..start];
    let mut all = bytes[..start].to_vec();
    all.extend(0x1100_0000_u32.to_le_bytes());
    all.extend([1, 2, 3, 4]);
    all.extend(packed);
    while all.len() < 12 << 20 {
        all.extend(whole);
    }
    let error = SessionReader::open(&all[..]).unwrap().find_map(Result::err);
    assert!(matches!(error, Some(SessionError::Damaged { at, .. }) if at == start as u64), "{error:?}");
}

/// What a power failure leaves of blocks that were allotted but not written is zeros: the recording opens up to there, as with any torn
/// tail. Zeros with something behind them are damage.
#[test]
fn zeros_after_a_power_failure_are_a_torn_tail() {
    let (bytes, _) = recording(6, false);
    let records = SessionReader::open(&bytes[..]).unwrap().count();
    for zeros in [1, 7, 8, 9, 4096, 10_000] {
        let left = [&bytes[..], &vec![0; zeros]].concat();
        let mut reader = SessionReader::open(&left[..]).unwrap();
        assert_eq!(reader.by_ref().filter(|record| record.is_ok()).count(), records, "{zeros} zeros");
        assert_eq!(reader.tail(), Tail::Torn { bytes: bytes.len() as u64 });
    }
    // Blocks do not end where records do: the zeros begin within one, as far as it went.
    for from in [3, 8, 20] {
        let start = last_start(&bytes);
        let mut left = bytes.clone();
        left.resize(bytes.len() + 10_000, 0);
        left[start + from..].fill(0);
        let mut reader = SessionReader::open(&left[..]).unwrap();
        assert!(reader.by_ref().all(|record| record.is_ok()), "zeros from byte {from} of the last record");
        assert_eq!(reader.tail(), Tail::Torn { bytes: start as u64 });
    }
    let damaged = [&bytes[..], &[0; 5_000], &[1]].concat();
    assert!(SessionReader::open(&damaged[..]).unwrap().any(|record| matches!(record, Err(SessionError::Damaged { .. }))));
}

/// A keyframe of a few bytes that unpacks to more bricks than the patient has is an error.
#[test]
fn a_keyframe_that_unpacks_without_end_is_refused() {
    let case = test_cases::case(5);
    let mut keyframe = keyframe_of(&CutState::new(case.patient.grid()), 1, 0, 1).unwrap();
    keyframe.bricks = zstd::bulk::compress(&vec![0; 64 << 20], 3).unwrap();
    let error = restore_keyframe(&case.patient, &keyframe).unwrap_err().to_string();
    assert!(error.contains("more bricks than the patient has"), "{error}");
}

/// Cutting twice is cutting once, so that digests alone would not see a tick that was copied or put elsewhere.
#[test]
fn a_tick_that_stands_twice_or_early_is_told() {
    let (bytes, _) = recording(6, false);
    let records: Vec<Record> = SessionReader::open(&bytes[..]).unwrap().map(|record| record.unwrap()).collect();
    let ticks: Vec<usize> = (0..records.len()).filter(|k| matches!(records[*k], Record::Tick(_))).collect();
    let says = |records: &[Record]| {
        let mut out = SessionWriter::create(Vec::new()).unwrap();
        records.iter().for_each(|record| out.append(record).unwrap());
        let out = out.into_inner();
        replay(&mut Replay::open(&out[..]).unwrap(), Part::WHOLE, None).map(drop)
    };
    assert!(says(&records).is_ok());
    let mut twice = records.clone();
    twice.insert(ticks[3], records[ticks[2]].clone());
    assert!(matches!(says(&twice), Err(ReplayError::Order { tick: 2, after: 2 })));
    let mut swapped = records;
    swapped.swap(ticks[0], ticks[1]);
    assert!(matches!(says(&swapped), Err(ReplayError::Order { tick: 0, after: 1 })));
}

/// A changed byte anywhere is an error or a dropped tail, never a panic and never a record that was not written.
#[test]
fn a_changed_byte_is_found() {
    let (bytes, _) = recording(6, false);
    let written: Vec<Record> = SessionReader::open(&bytes[..]).unwrap().map(|record| record.unwrap()).collect();
    for at in (0..bytes.len()).step_by(if cfg!(debug_assertions) { 211 } else { 17 }) {
        let mut other = bytes.clone();
        other[at] ^= 0x41;
        let Ok(reader) = SessionReader::open(&other[..]) else { continue };
        for (k, record) in reader.enumerate() {
            match record {
                Ok(record) => assert_eq!(Some(&record), written.get(k), "byte {at}"),
                Err(_) => break,
            }
        }
    }
}

#[test]
fn a_keyframe_holds_the_cut_fields() {
    let case = test_cases::case(5);
    let mut cut = CutState::new(case.patient.grid());
    let op = CutOp::try_from(WireCut { classes: 0b1111, shape: WireShape::Capsule { a: [200; 3], b: [260; 3], radius: 300 } });
    cut.apply(&case.patient, &op.unwrap());
    let mut keyframe = keyframe_of(&cut, 1, 0, 1).unwrap();
    assert_eq!(restore_keyframe(&case.patient, &keyframe).unwrap(), cut);
    keyframe.digest ^= 1;
    assert!(restore_keyframe(&case.patient, &keyframe).is_err());
    keyframe.bricks.truncate(5);
    assert!(restore_keyframe(&case.patient, &keyframe).is_err());
    assert!(TissueClass::ALL.iter().any(|class| cut.field(*class).stored().count() > 0));
}

#[test]
fn other_files_are_no_recordings() {
    for bytes in [&b""[..], b"SPINREC", b"SPINCASE\0\0\0\0\0\0", b"SPINREC\0\x09\0\0\0"] {
        assert!(SessionReader::open(bytes).is_err());
    }
    assert!(matches!(SessionReader::open(&b"SPINREC\0\x09\0\0\0"[..]), Err(SessionError::Version(9))));
    let huge = [&b"SPINREC\0\x01\0\0\0"[..], &[255; 8], &[0; 64]].concat();
    assert!(matches!(SessionReader::open(&huge[..]).unwrap().next_record(), Err(SessionError::Damaged { at: 12, .. })));
}

/// Every fourth of these bytes begins a length that leads to the very end: whoever worked out every sum would read a hundred thousand times the
/// bytes. The search gives up, and what is behind such bytes is not called a torn end, which would be cut off: whole records may stand there.
#[test]
fn a_crafted_tail_is_given_up_and_not_cut_off() {
    let tail = 1 << 20;
    let crafted: Vec<u8> = (0..tail / 4).flat_map(|k| u32::try_from(tail - 4 * k - 8).unwrap_or(1).to_le_bytes()).collect();
    assert_eq!(reader::look_for_a_record(&crafted), reader::Search::GivenUp);
    let mut bytes = recording(6, false).0;
    bytes.extend(u32::try_from(2 * tail).unwrap().to_le_bytes());
    bytes.extend([0x5A; 4]);
    bytes.extend(crafted);
    let mut reader = SessionReader::open(&bytes[..]).unwrap();
    let error = loop {
        match reader.next_record() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a crafted tail is no torn end"),
            Err(error) => break error,
        }
    };
    assert!(error.to_string().contains("no end that a writer leaves"), "{error}");
}

/// What loose pieces take counts like operations: in any number of parts, through a keyframe, and back through a rewind; and replay and
/// [`reach`] know the same fragments.
#[test]
fn loose_pieces_replay_and_are_taken_back() {
    let case = test_cases::case(5);
    let patient = &case.patient;
    let structure = patient.structures().iter().find(|s| s.class == TissueClass::Bone).unwrap();
    let mut cut = CutState::new(patient.grid());
    let mut out = SessionWriter::create(Vec::new()).unwrap();
    let head =
        SessionHead { case_hash: case.hash().0, room: "theatre".into(), software: "test".into(), started_unix_s: 0, tick_hz: 60 };
    out.append(&Record::Head(head)).unwrap();
    out.append(&Record::Case(case.encode())).unwrap();
    let mut digests_at = Vec::new();
    for tick in 0..4_u32 {
        out.append(&Record::Tick(TickRecord { tick, ..TickRecord::default() })).unwrap();
        // Each tick lifts another row of voxels, which becomes a fragment.
        let mut samples = Box::new([127_i8; spinor_volume::BRICK_VOXELS]);
        samples[tick as usize * 16..(tick as usize + 1) * 16].fill(-127);
        let (brick, _) = structure.sdf.stored().next().unwrap();
        let stamp = spinor_volume::Stamp { class: TissueClass::Bone, bricks: vec![(brick, samples.clone())] };
        let id = FragmentId(tick + 1);
        let by = Holder { user: UserId(1), hand: Hand::Right, tool: ToolKind::FlutedBurr };
        let (rest, turn) = ([0, tick as i32, 0], [0, 0, 0, i16::MAX]);
        let label = structure.label;
        let state =
            FragmentState { id, structure: label, occupancy: 512, rest_um: rest, at_um: rest, turn, held: None, taken: false };
        cut.stamp(patient, &stamp);
        let detached = Detached {
            fragment: Some(id),
            by,
            structure: label,
            occupancy: 512,
            centre_um: rest,
            stamp: Arc::new(stamp),
            shape: Arc::new(vec![(brick, samples)]),
        };
        // The first one is carried out of the wound in the third tick.
        let mut fragments = vec![state];
        if tick == 2 {
            let gone = FragmentState { id: FragmentId(1), taken: true, ..state };
            fragments.insert(0, gone);
        }
        let output = TissueOutput { detached: vec![detached], fragments, ..TissueOutput::default() };
        out.append(&Record::Tissue(TissueRecord::new(tick, &output).unwrap())).unwrap();
        out.append(&Record::Digest { tick, digest: cut.digest() }).unwrap();
        digests_at.push(cut.digest());
        if tick == 1 {
            out.append(&Record::Keyframe(keyframe_of(&cut, tick, 0, 0).unwrap())).unwrap();
        }
    }
    digests_at.dedup();
    assert_eq!(digests_at.len(), 4, "every row changes the fields");
    let known = |bytes: &[u8], to: Option<u32>| {
        let mut reader = SessionReader::open(bytes).unwrap();
        let reached = reach(&mut reader, patient, to).unwrap();
        let ids: Vec<u32> = reached.standing.fragments().map(|f| f.state.id.0).collect();
        (reached, ids)
    };
    let whole = out.into_inner();
    for parts in [1, 3] {
        assert_eq!((digests(&whole, parts).digest, digests(&whole, parts).mismatches()), (digests_at[3], 0));
    }
    let (reached, ids) = known(&whole, None);
    assert_eq!((reached.cut.digest(), ids), (digests_at[3], vec![2, 3, 4]));
    let (early, ids) = known(&whole, Some(1));
    assert_eq!((early.cut.digest(), ids), (digests_at[1], vec![1, 2]));
    // A rewind to the end of tick 1.
    let mut state = ReplayState::new(Arc::new(case.clone()), Part::WHOLE);
    for record in SessionReader::open(&whole[..]).unwrap() {
        state.advance(&record.unwrap()).unwrap();
    }
    assert_eq!((state.cut().digest(), state.standing()), (digests_at[3], &reached.standing));
    state.advance(&Record::Epoch { tick: 4, epoch: 1, from_tick: 1, reason: "rewind".into() }).unwrap();
    assert_eq!((state.cut().digest(), state.standing()), (digests_at[1], &early.standing));
}
