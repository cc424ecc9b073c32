//! Writes the seeds of the fuzz targets' corpora: one valid file for every way in which the targets read bytes.
//!
//! ```text
//! cargo run -p spinor-shared --features net --example fuzz_seeds
//! ```
#![expect(clippy::unwrap_used, reason = "a writer of test data stops at the first error")]
#![expect(clippy::disallowed_methods, reason = "the corpus lies in files")]

use std::path::{Path, PathBuf};

use spinor_shared::case::{Case, CaseMeta, IDENTITY, ImageBricks, ImageGeometry, Section, encode_patient, read_table};
use spinor_shared::codec::encode;
use spinor_shared::delta::{Cause, LaneFrame, Packer, SnapshotFrame, UNTOUCHED};
use spinor_shared::session::{OpRecord, Record, SessionHead, SessionWriter, TickRecord, keyframe_of};
use spinor_shared::wire::{WireCut, WireEvent, WireEventKind, WireInput, WirePose, WireShape};
use spinor_volume::{
    BrickIndex, CutOp, CutState, DensityField, Grid, Label, Patient, Source, SparseField, Structure, TissueClass,
};

fn patient() -> Patient {
    let grid = Grid::new([-12.4, 8.0, -600.4], 0.4, [2, 2, 1]).unwrap();
    let structure = |label: Label, brick: u32| {
        let mut sdf = SparseField::outside(&grid);
        sdf.set_inside(BrickIndex(brick));
        let samples = sdf.brick_mut(BrickIndex(brick + 1)).unwrap();
        samples.iter_mut().enumerate().for_each(|(n, v)| *v = (n % 16) as i8 * 8 - 60);
        let class = label.class().unwrap();
        Structure { label, class, source: Source::Labelled, uncertainty_mm: 0.5, volume_mm3: 1_234.5, sdf }
    };
    let mut density = DensityField::default();
    density.insert(BrickIndex(1), Box::new(std::array::from_fn(|n| (n / 32) as u8)));
    Patient::new(grid, vec![structure(Label::DURAL_SAC, 1), structure(Label::lumbar(4), 0)], density).unwrap()
}

fn image() -> ImageBricks {
    let geometry = ImageGeometry {
        size: [9, 5, 3],
        spacing_mm: [1.0, 1.0, 2.0],
        origin_mm: [0.0, 5.0, -600.0],
        direction: [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
        patient_from_image: IDENTITY,
        slope: 1.0,
        intercept: 0.0,
    };
    ImageBricks::pack(geometry, |v| (v[0] * 31 + v[1] * 7) as i16).unwrap()
}

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus").join(target)
}

fn main() {
    let write = |target: &str, name: &str, kind: Option<u8>, bytes: &[u8]| {
        std::fs::create_dir_all(corpus(target)).unwrap();
        std::fs::write(corpus(target).join(name), [kind.as_slice(), bytes].concat()).unwrap();
    };
    let meta = CaseMeta { created_with: "spinor".to_owned(), warnings: vec!["w".to_owned()], ..CaseMeta::default() };
    let whole = Case { patient: patient(), ct: Some(image()), mr: None, meta: meta.clone() };
    let raw = zstd::bulk::decompress(&encode_patient(&whole.patient), 1 << 20).unwrap();
    let ct = read_table(&whole.encode()).unwrap().sections.iter().find(|s| s.section == Section::Ct).unwrap().clone();
    let ct = whole.encode()[ct.start..ct.start + ct.length].to_vec();
    write("case", "whole", Some(0), &whole.encode());
    write("case", "truncated", Some(0), &whole.encode()[..300]);
    write("case", "patient", Some(1), &raw);
    write("case", "image", Some(2), &ct);
    write("case", "image_header", Some(2), &image().header());
    write("case", "meta", Some(3), &serde_json::to_vec(&meta).unwrap());
    write("case", "sealed", Some(4), &[&[0, 255, 40, 0], &raw[..1020], &ct[..160]].concat());

    let head = SessionHead { case_hash: whole.hash().0, room: "r".into(), software: "s".into(), started_unix_s: 1, tick_hz: 60 };
    let cut = WireCut { classes: 15, shape: WireShape::Capsule { a: [100; 3], b: [140, 100, 100], radius: 150 } };
    let rows_q14 = [[1 << 14, 0, 0], [0, 1 << 14, 0], [0, 0, 1 << 14]];
    let boxed = WireCut { classes: 1, shape: WireShape::Box { centre: [200; 3], half: [40, 30, 20], rows_q14, rounding: 5 } };
    let mut state = CutState::new(whole.patient.grid());
    state.apply(&whole.patient, &CutOp::try_from(cut).unwrap());
    let pose = WirePose { tip_um: [1_000, -2_000, 3_000], turn: [0, 0, 0, 32_767] };
    let input = WireInput { hand: 1, seq: 7, tool: 0, size_tenth_mm: 30, pose, trigger: 255 };
    let event = WireEvent { user: 1, hand: 1, tool: 0, kind: WireEventKind::BoneTouch { load_millinewton: 900 } };
    let op = |cut| OpRecord { user: 1, hand: 1, tool: 0, input_seq: 7, cut };
    let tick = TickRecord { tick: 1, inputs: vec![(1, input)], ops: vec![op(cut), op(boxed)], events: vec![event] };
    let keyframe = keyframe_of(&state, 2, 0, 1).unwrap();
    let records = [
        Record::Tick(tick),
        Record::Digest { tick: 1, digest: state.digest() },
        Record::Epoch { tick: 2, epoch: 1, from_tick: 0, reason: "r".to_owned() },
        Record::Closed { tick: 3 },
    ];
    let mut out = SessionWriter::create(Vec::new()).unwrap();
    for record in [&Record::Head(head), &Record::Case(whole.encode()), &Record::Keyframe(keyframe.clone())] {
        out.append(record).unwrap();
    }
    for record in &records {
        out.append(record).unwrap();
    }
    let file = out.into_inner();
    write("session", "whole", Some(0), &file);
    write("session", "torn", Some(0), &file[..file.len() - 3]);
    write("session", "zero_tail", Some(0), &[&file[..], &[0; 99]].concat());
    let short: Vec<u8> = records.iter().map(|r| encode(r).unwrap()).flat_map(|r| [vec![r.len() as u8], r].concat()).collect();
    write("session", "framed", Some(1), &short);
    write("session", "records", Some(2), &short);
    write("session", "keyframe", Some(3), &keyframe.bricks);
    write("session", "keyframe_raw", Some(3), &zstd::bulk::decompress(&keyframe.bricks, 1 << 20).unwrap());

    let mut packer = Packer::new().unwrap();
    let mut new = UNTOUCHED;
    new[..300].fill(-20);
    let brick = packer.whole(TissueClass::Bone, BrickIndex(1), 3, &new).unwrap();
    let difference = packer.difference(TissueClass::Disc, BrickIndex(2), (0, &UNTOUCHED), (1, &new)).unwrap().unwrap();
    let causes = vec![Cause { user: 1, hand: 1, first: 5, last: 7 }];
    write("delta", "lane", None, &encode(&LaneFrame { epoch: 0, tick: 9, causes, bricks: vec![difference] }).unwrap());
    write("delta", "snapshot", None, &encode(&SnapshotFrame { epoch: 0, bricks: vec![brick] }).unwrap());
    write("delta", "inputs", None, &encode(&vec![input; 3]).unwrap());
    write("delta", "capsule", None, &encode(&cut).unwrap());
    write("delta", "box", None, &encode(&boxed).unwrap());
    write("delta", "event", None, &encode(&event).unwrap());
    write("delta", "lying_length", None, &[0, 1, 0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 252, 0, 0, 0, 63]);
    #[cfg(feature = "net")]
    message_seeds(&|name, bytes| write("messages", name, None, bytes), event);
}

#[cfg(feature = "net")]
fn message_seeds(write: &dyn Fn(&str, &[u8]), event: WireEvent) {
    use spinor_shared::mark::Mark;
    use spinor_shared::net::control::{BrickName, Notice, Person, Request, RoomView, Stats};
    use spinor_shared::net::handshake::{Accept, Answer, Hello, Refusal};
    use spinor_shared::net::invite::{Claims, Invite};
    use spinor_shared::room::Role;
    let owner = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
    let (room, name, role) = ("theatre".to_owned(), "Ann".to_owned(), Role::Resident);
    let claims = Claims { room: room.clone(), user: 5, name: name.clone(), role, expires_unix_s: 99, nonce: [3; 16] };
    let token = claims.sign(&owner).unwrap();
    let invite = Invite { address: "[::1]:4000".to_owned(), room: room.clone(), digest: [9; 32], token: token.clone() };
    let ann = Person { user: 5, name: name.clone(), role, has_tool: true, online: true };
    let view = RoomView {
        frozen: false,
        paused: false,
        disk_full: false,
        recorded: true,
        alarm_um: [3_000, 1_000],
        epoch: 0,
        people: vec![ann],
    };
    let accept = Accept {
        user: 5,
        name,
        role,
        room,
        tick: 7,
        tick_hz: 60,
        case_hash: [1; 32],
        patient_hash: [2; 32],
        patient_bytes: 900,
        view: view.clone(),
    };
    let hello = Hello { protocol: 1, token, device: [4; 32], proof: [[5; 32]; 2] };
    let stats = Stats { refused: vec![("role".to_owned(), 3)], ..Stats::default() };
    write("hello", &encode(&hello).unwrap());
    write("accept", &encode(&Answer::Accept(Box::new(accept))).unwrap());
    write("refused", &encode(&Answer::Refused(Refusal::Version { server: 1, client: 2 })).unwrap());
    write("line", &encode(&Request::Say(Mark::Line(vec![[1, -2, 3]; 3]))).unwrap());
    write("text", &encode(&Request::Say(Mark::Text("here".to_owned()))).unwrap());
    write("repair", &encode(&Request::Repair(vec![BrickName { class: 1, brick: 77 }; 2])).unwrap());
    write("alarm", &encode(&Request::Alarm { caution_um: 3_000, danger_um: 1_000 }).unwrap());
    write("room", &encode(&Notice::Room(view)).unwrap());
    write("events", &encode(&Notice::Events { tick: 4, events: vec![event; 2] }).unwrap());
    write("stats", &encode(&Notice::Stats(Box::new(stats))).unwrap());
    write("link", invite.to_string().as_bytes());
}
