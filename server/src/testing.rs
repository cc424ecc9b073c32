//! What this crate's tests share: the smallest case there is, and a room of it.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use spinor_shared::case::{Case, CaseMeta};
use spinor_shared::session::{Record, SessionReader};
use spinor_sim::{Hand, ToolInput, ToolKind, UserId};
use spinor_volume::{BRICK_VOXELS, BrickIndex, DensityField, Grid, Label, Patient, Source, SparseField, Structure};

use crate::bulk::CaseData;
use crate::hall::session_head;
use crate::recorder::Recorder;
use crate::room::{HandInput, Room};

/// One brick of bone.
pub(crate) fn case() -> Arc<CaseData> {
    let grid = Grid::new([0.0; 3], 0.5, [1, 1, 1]).unwrap();
    let mut sdf = SparseField::outside(&grid);
    sdf.set_inside(BrickIndex(0));
    let label = Label::lumbar(4);
    let class = label.class().unwrap();
    let bone = Structure { label, class, source: Source::Phantom, uncertainty_mm: 0.0, volume_mm3: 512.0, sdf };
    let mut density = DensityField::default();
    density.insert(BrickIndex(0), Box::new([40; BRICK_VOXELS]));
    let patient = Patient::new(grid, vec![bone], density).unwrap();
    let meta = CaseMeta { created_with: "test".to_owned(), ..CaseMeta::default() };
    Arc::new(CaseData::new(Case { patient, ct: None, mr: None, meta }.encode()).unwrap())
}

/// A recorded room without people.
pub(crate) struct Theatre {
    pub(crate) room: Room,
    pub(crate) path: PathBuf,
    seq: u32,
    _runtime: tokio::runtime::Runtime,
    _directory: tempfile::TempDir,
}

impl Theatre {
    pub(crate) fn open() -> Self {
        let (directory, case) = (tempfile::tempdir().unwrap(), case());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let head = session_head("theatre", &case);
        let recorder = Recorder::create(directory.path(), head, case.file.clone()).unwrap();
        let path = recorder.path().to_owned();
        let tissues = spinor_sim::Settings::default().tissues();
        let room =
            Room::new("theatre", case, Some(recorder), None, Default::default(), (tissues, None), runtime.handle().clone())
                .unwrap();
        Self { room, path, seq: 0, _runtime: runtime, _directory: directory }
    }

    /// A tick in which a hand says something, so that there is something to record.
    pub(crate) fn busy_tick(&mut self) -> u32 {
        self.seq += 1;
        let (user, hand) = (UserId(7), Hand::Right);
        let pose = spinor_shared::wire::WirePose { tip_um: [0; 3], turn: [0, 0, 0, 32_767] }.into();
        let input = ToolInput { user, hand, seq: self.seq, tool: ToolKind::Probe, size_tenth_mm: 30, pose, trigger: 0 };
        self.room.hands.insert((user, hand), HandInput { input, fresh: true, pressed: false });
        self.room.tick();
        self.room.tick
    }

    pub(crate) fn turn_to(&mut self, file: File) {
        self.room.recorder.as_mut().unwrap().turn_to(file);
    }

    /// What was recorded behind head and case.
    pub(crate) fn records(mut self) -> Vec<Record> {
        self.room.close();
        SessionReader::open(File::open(&self.path).unwrap()).unwrap().skip(2).map(|record| record.unwrap()).collect()
    }
}
