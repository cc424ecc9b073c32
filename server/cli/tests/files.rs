//! What the program does to files and says of them, run as a program.

#![expect(clippy::unwrap_used, reason = "a test's own helpers may fail where they stand")]

mod common;

use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{errors, serve, spinor};
use spinor_shared::case::{Case, CaseMeta, case_hash};
use spinor_shared::session::{Record, SessionHead, SessionWriter};
use spinor_volume::{BrickIndex, DensityField, Grid, Label, Patient, Source, SparseField, Structure};

/// A case with one block of bone.
fn case() -> Vec<u8> {
    let grid = Grid::new([0.0; 3], 0.5, [2; 3]).unwrap();
    let mut sdf = SparseField::outside(&grid);
    sdf.set_inside(BrickIndex(0));
    let label = Label::lumbar(4);
    let class = label.class().unwrap();
    let structure = Structure { label, class, source: Source::Phantom, uncertainty_mm: 0.0, volume_mm3: 512.0, sdf };
    let mut density = DensityField::default();
    density.insert(BrickIndex(0), Box::new([40; 4096]));
    let patient = Patient::new(grid, vec![structure], density).unwrap();
    let meta = CaseMeta { created_with: "test".to_owned(), ..CaseMeta::default() };
    Case { patient, ct: None, mr: None, meta }.encode()
}

/// Every command that is told to write over what it reads, by name, by link, or by a name that it gives a file of its own, fails, names
/// both, and leaves the file as it was.
#[test]
fn no_command_writes_over_what_it_reads() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("a.spinor"), case()).unwrap();
    for (name, bytes) in [("ct.nii", "a CT"), ("labels.nii", "labels"), ("names.nii", "drawn"), ("ct.json", "{}")] {
        std::fs::write(at(name), bytes).unwrap();
    }
    std::fs::create_dir(at("report")).unwrap();
    for name in ["report/report.json", "report/metrics.json"] {
        std::fs::write(at(name), "{}").unwrap();
    }
    std::os::unix::fs::symlink(at("a.spinor"), at("link.glb")).unwrap();
    std::fs::hard_link(at("ct.nii"), at("hard.nii")).unwrap();
    let files = ["a.spinor", "ct.nii", "labels.nii", "report/report.json", "report/metrics.json"];
    let content = || files.map(|name| std::fs::read(at(name)).unwrap());
    let before = content();
    let commands: [(&str, &str, &[&str]); 9] = [
        ("a.spinor", "a.spinor", &["export", "a.spinor", "--format", "nifti", "--out", "a.spinor"]),
        ("link.glb", "a.spinor", &["export", "a.spinor", "--format", "glb", "--out", "link.glb"]),
        ("ct.nii", "ct.nii", &["ingest", "ct.nii", "--out", "ct.nii"]),
        (
            "./labels.nii",
            "labels.nii",
            &["prepare", "--ct", "ct.nii", "--labels", "labels.nii", "--scheme", "verse", "--out", "./labels.nii"],
        ),
        (
            "report/report.json",
            "report/report.json",
            &[
                "prepare",
                "--ct",
                "ct.nii",
                "--contours",
                "names.nii",
                "--contours-names",
                "report/report.json",
                "--out",
                "b.spinor",
                "--report",
                "report",
            ],
        ),
        (
            "report/case.json",
            "report/case.json",
            &["prepare", "--ct", "ct.nii", "--out", "report/case.json", "--report", "report"],
        ),
        ("hard.nii", "ct.nii", &["segment", "--model", "spine-ct", "--input", "ct.nii", "--out", "hard.nii"]),
        ("report/metrics.json", "report/metrics.json", &["assess", "report/metrics.json", "--out", "report"]),
        ("a.spinor", "a.spinor", &["serve", "--case", "a.spinor", "--room", "a.spinor"]),
    ];
    for (out, input, words) in commands {
        let output = spinor(folder.path(), words);
        let said = errors(&output);
        assert!(!output.status.success(), "{words:?}: {said}");
        assert!(said.contains(&format!("{out} would be written over {input}")), "{words:?}: {said}");
        assert_eq!(content(), before, "{words:?}");
    }
    assert!(!at("b.spinor").exists() && !PathBuf::from("report/case.json").exists());
}

/// A recording of that case without a tick, with one, and where its case ends.
fn recording() -> (Vec<u8>, usize) {
    let case = case();
    let case_hash = case_hash(&case).unwrap().0;
    let head = SessionHead { case_hash, room: "theatre".to_owned(), software: "test".to_owned(), started_unix_s: 0, tick_hz: 60 };
    let mut out = SessionWriter::create(Vec::new()).unwrap();
    out.append(&Record::Head(head)).unwrap();
    out.append(&Record::Case(case)).unwrap();
    let with_case = out.bytes() as usize;
    for tick in [10, 20] {
        out.append(&Record::Epoch { tick, epoch: tick / 10, from_tick: tick, reason: "test".to_owned() }).unwrap();
    }
    (out.into_inner(), with_case)
}

/// The end of a recording that is torn is told by every command that goes to it; one that is torn within its case is no riddle.
#[test]
fn torn_ends_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let (bytes, with_case) = recording();
    let put = |name: &str, length: usize| std::fs::write(folder.path().join(name), &bytes[..length]).unwrap();
    put("whole.spinrec", bytes.len());
    put("torn.spinrec", bytes.len() - 5);
    put("case.spinrec", with_case - 100);
    put("tick.spinrec", with_case + 5);
    let export = |file: &str| spinor(folder.path(), &["export", file, "--format", "glb", "--out", "a.glb"]);
    let assess = |file: &str| spinor(folder.path(), &["assess", file, "--out", "report"]);
    for run in [&export as &dyn Fn(&str) -> Output, &assess] {
        let (whole, torn) = (run("whole.spinrec"), run("torn.spinrec"));
        assert!(whole.status.success() && !errors(&whole).contains("torn"), "{}", errors(&whole));
        assert!(torn.status.success() && errors(&torn).contains("torn.spinrec ends in a torn record"), "{}", errors(&torn));
    }
    let branch = |file: &str, at: &str| spinor(folder.path(), &["branch", file, "--at", at, "--out", "b.spinrec"]);
    for (file, at, words) in [
        ("case.spinrec", "0", "cut off while its case was being written"),
        ("tick.spinrec", "0", "cut off before the first tick"),
        ("whole.spinrec", "0", "nothing was recorded up to 0"),
        ("torn.spinrec", "9", "is torn after"),
        ("whole.spinrec", "9", "ends at"),
    ] {
        let output = branch(file, at);
        assert!(!output.status.success() && errors(&output).contains(words), "{file}: {}", errors(&output));
        assert!(!folder.path().join("b.spinrec").exists());
    }
    let threads = spinor(folder.path(), &["replay", "whole.spinrec", "--threads", "4000000000"]);
    assert!(!threads.status.success() && errors(&threads).contains("1..=256"), "{}", errors(&threads));
}

/// An element of a DICOM file, explicit VR little endian, with a short length.
fn element(group: u16, number: u16, vr: &[u8; 2], value: &str) -> Vec<u8> {
    let mut value = value.as_bytes().to_vec();
    if value.len() % 2 == 1 {
        value.push(if vr == b"UI" { 0 } else { b' ' });
    }
    let mut out = [group.to_le_bytes(), number.to_le_bytes(), *vr, (value.len() as u16).to_le_bytes()].concat();
    out.extend(value);
    out
}

/// A DICOM file that is an image by its header, with a character set that is none and holds a name.
fn image(mark: &str) -> Vec<u8> {
    let meta = [
        element(2, 2, b"UI", "1.2.840.10008.5.1.4.1.1.2"),
        element(2, 3, b"UI", "1.2.3.4"),
        element(2, 0x10, b"UI", "1.2.840.10008.1.2.1"),
    ]
    .concat();
    let mut bytes = vec![0; 128];
    bytes.extend(b"DICM");
    bytes.extend([2, 0, 0, 0, b'U', b'L', 4, 0]);
    bytes.extend((meta.len() as u32).to_le_bytes());
    bytes.extend(meta);
    bytes.extend(element(8, 5, b"CS", mark));
    bytes.extend(element(8, 0x60, b"CS", "CT"));
    bytes.extend(element(0x10, 0x10, b"PN", mark));
    for number in [0x10, 0x11] {
        bytes.extend([0x28, 0, number, 0, b'U', b'S', 2, 0, 4, 0]);
    }
    bytes
}

/// Whatever is logged, no word of a DICOM header is: a name may stand anywhere in it.
#[test]
fn no_header_is_logged() {
    const MARK: &str = "ZQX^MARKER";
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("1.dcm"), image(MARK)).unwrap();
    for level in ["trace", "warn", "dicom_parser=trace", "dicom_parser::stateful::decode=trace,warn"] {
        for more in [&["--list"][..], &["--out", "a.nii"]] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_spinor"));
            command.args(["ingest", "1.dcm"]).args(more).current_dir(folder.path());
            let output = command.env("SPINOR_LOG", level).env("RUST_LOG", level).output().unwrap();
            let said = [output.stdout, output.stderr].concat();
            assert!(!said.is_empty());
            let leaks = said.windows(3).any(|w| w == &MARK.as_bytes()[..3]);
            assert!(!leaks, "{level} {more:?}: {}", String::from_utf8_lossy(&said));
        }
    }
}

/// What is written into a file holds no colours, and an error says no cause twice.
#[test]
fn words_for_a_file_are_plain() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ct.nii"), b"nothing").unwrap();
    let output = spinor(folder.path(), &["ingest", "nowhere"]);
    let said = errors(&output);
    assert_eq!(said.matches("No such file").count(), 1, "{said}");
    assert!(!said.contains('\u{1b}'), "{said}");
}

/// `spinor` with at most so many kilobytes of memory to address.
fn within(folder: &Path, kilobytes: u32, words: &str) -> Output {
    let limited = format!("ulimit -v {kilobytes}; exec {} {words}", env!("CARGO_BIN_EXE_spinor"));
    Command::new("sh").args(["-c", &limited]).current_dir(folder).output().unwrap()
}

/// Files with gigabytes of nothing are refused, or looked into, without taking memory for it.
#[test]
fn long_files_take_no_memory() {
    const MOST: u32 = 1_000_000;
    const HOLE: u64 = 3 << 30;
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8], hole: u64| {
        let mut file = std::fs::File::create(folder.path().join(name)).unwrap();
        file.write_all(bytes).unwrap();
        if hole > 0 {
            file.seek(SeekFrom::Current(hole as i64 - 1)).unwrap();
            file.write_all(&[0]).unwrap();
        }
    };
    let mut case = case();
    put("small.spinor", &case, 0);
    put("longer.spinor", &case, HOLE);
    // The last section claims the hole for itself.
    let last = 16 + 48 + 8;
    let length = u64::from_le_bytes(case[last..last + 8].try_into().unwrap()) + (1 << 30);
    case[last..last + 8].copy_from_slice(&length.to_le_bytes());
    put("claimed.spinor", &case, 1 << 30);
    let mut pixels = image("ISO_IR 100");
    pixels.extend([0xE0, 0x7F, 0x10, 0, b'O', b'W', 0, 0]);
    pixels.extend((1_900_000_000_u32).to_le_bytes());
    put("long.dcm", &pixels, 1_900_000_000);
    // A record that claims a thousand million bytes, with more behind it or not.
    let (recording, with_case) = recording();
    let claim = [&recording[..with_case], &(1_000_000_000_u32).to_le_bytes(), &[7; 4]].concat();
    put("damaged.spinrec", &claim, 1 << 30);
    put("torn.spinrec", &claim, 1_000_000_000);
    let torn = within(folder.path(), MOST, "info torn.spinrec --json");
    let told: serde_json::Value = serde_json::from_slice(&torn.stdout).unwrap_or_default();
    assert_eq!(told["recording"]["torn_tail"], true, "{}", errors(&torn));
    let damaged = within(folder.path(), MOST, "replay damaged.spinrec");
    assert_eq!(damaged.status.code(), Some(1), "{}", errors(&damaged));
    assert!(errors(&damaged).contains("its checksum is wrong"), "{}", errors(&damaged));
    let small = within(folder.path(), MOST, "info small.spinor");
    assert!(small.status.success(), "{}", errors(&small));
    for (file, words) in [("longer.spinor", "goes on behind"), ("claimed.spinor", "does not match its hash")] {
        let output = within(folder.path(), MOST, &format!("info {file}"));
        assert_eq!(output.status.code(), Some(1), "{file}: {}", errors(&output));
        assert!(errors(&output).contains(words), "{file}: {}", errors(&output));
    }
    let list = within(folder.path(), MOST, "ingest --list long.dcm");
    assert!(list.status.success() && String::from_utf8_lossy(&list.stdout).contains("CT"), "{}", errors(&list));
}

/// A server's room file and state directory are its own while it lives, and the next one's after it was killed. Its start line says where
/// it is, and its invitations know how many rooms there are.
#[test]
fn a_room_file_and_its_state_belong_to_one_server() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.spinor"), case()).unwrap();
    let (mut first, start) = serve(folder.path(), &["--room", "r.json", "--rooms", "3", "--record", "sessions"]);
    let address: std::net::SocketAddr = start["address"].as_str().unwrap().parse().unwrap();
    assert!(address.port() > 0 && start["room"] == "theatre" && start["rooms"] == 3);
    assert!(folder.path().join(start["recording"].as_str().unwrap()).is_file());
    let room = || std::fs::read(folder.path().join("r.json")).unwrap();
    let before = room();
    let serving = ["serve", "--case", "a.spinor", "--listen", "127.0.0.1:0", "--record", "others"];
    for (more, words) in [
        (&["--room", "r.json", "--state", "other"][..], "r.json belongs to a server that is running"),
        (&["--room", "other.json", "--state", "r.json.state"], "r.json.state is in use by another server"),
    ] {
        let output = spinor(folder.path(), &[&serving[..], more].concat());
        assert!(!output.status.success() && errors(&output).contains(words), "{}", errors(&output));
        assert!(room() == before && !folder.path().join("others").exists() && !folder.path().join("other.json").exists());
    }
    let invite = |name: &str, number: &str| {
        spinor(folder.path(), &["invite", "--room", "r.json", "--role", "mentor", "--name", name, "--number", number])
    };
    assert!(invite("Ann", "3").status.success());
    let beyond = invite("Ann", "65535");
    assert!(!beyond.status.success() && errors(&beyond).contains("3 room(s) at most"), "{}", errors(&beyond));
    let turned = invite("Dr. \u{202e}relsO", "1");
    assert!(!turned.status.success() && !errors(&turned).contains('\u{202e}'), "{}", errors(&turned));
    first.0.kill().unwrap();
    first.0.wait().unwrap();
    let (_second, _) = serve(folder.path(), &["--room", "r.json"]);
    assert!(room() != before || invite("Ann", "1").status.success());
}
