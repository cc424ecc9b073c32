//! The patient in the scene: chunks of surface as entities, renewed as they change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bevy::prelude::*;
use spinor_shared::case::ImageBricks;
use spinor_volume::{BRICK_VOXELS, BrickIndex, BrickSamples, BrickState, CutState, Dirty, Label, Patient, TissueClass};

use super::looks::{Look, Looks};
use super::palette;
use super::surface::{ChunkKey, Surfaces};
use crate::Draw;
use crate::frames::WorldFrame;

/// Chunks handed to the renderer in one frame while a patient is being cut: a delta touches a few.
const UPLOADS_PER_FRAME: usize = 64;

/// The patient that is shown, the cuts so far, and its surfaces. Absent until a case is loaded or received.
#[derive(Resource)]
pub(crate) struct Anatomy {
    /// The patient.
    pub(crate) patient: Arc<Patient>,
    /// What tools have removed.
    pub(crate) cut: CutState,
    /// Where the patient lies.
    pub(crate) frame: WorldFrame,
    /// CT for the slices, as far as it has arrived.
    pub(crate) ct: Option<ImageBricks>,
    /// MR for the slices, as far as it has arrived.
    pub(crate) mr: Option<ImageBricks>,
    surfaces: Surfaces,
    waiting: Vec<ChunkKey>,
    /// Tells one patient on show from the next.
    number: u32,
}

impl Anatomy {
    /// Meshes a patient with the cuts so far.
    pub(crate) fn new(patient: Arc<Patient>, cut: CutState, [ct, mr]: [Option<ImageBricks>; 2]) -> Self {
        let frame = WorldFrame::of(patient.grid());
        let surfaces = Surfaces::new(&patient, &cut, frame);
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self { patient, cut, frame, ct, mr, surfaces, waiting: Vec::new(), number }
    }

    /// Meshes again what changed in [`Self::cut`].
    pub(crate) fn remesh(&mut self, dirty: impl IntoIterator<Item = Dirty>) {
        self.surfaces.update(&self.patient, &self.cut, dirty);
    }

    /// Takes the cut fields of a mirror, brick by brick, where they changed.
    pub(crate) fn follow(&mut self, mirror: &CutState, dirty: impl IntoIterator<Item = Dirty>) {
        let class_of = |d: Dirty| Some((self.patient.structures().get(usize::from(d.structure))?.class, d.brick));
        let bricks: BTreeSet<(TissueClass, BrickIndex)> = dirty.into_iter().filter_map(class_of).collect();
        let mut again = Vec::new();
        for (class, brick) in bricks {
            let samples = samples(mirror, class, brick);
            // A brick that cannot be taken over belongs to no structure: there is nothing to draw.
            again.extend(
                self.cut.replace(&self.patient, class, brick, mirror.version(class, brick), &samples).unwrap_or_default(),
            );
        }
        self.remesh(again);
    }

    /// Takes the cut fields of another place in time: all bricks in which it differs.
    pub(crate) fn go_to(&mut self, other: &CutState) {
        let names = |cut: &CutState| cut.cut_bricks().map(|(class, brick, ..)| (class, brick)).collect::<Vec<_>>();
        let mut all: BTreeSet<(TissueClass, BrickIndex)> = names(&self.cut).into_iter().collect();
        all.extend(names(other));
        let mut again = Vec::new();
        for (class, brick) in all {
            let there = samples(other, class, brick);
            if there != samples(&self.cut, class, brick) {
                let version = other.version(class, brick);
                again.extend(self.cut.replace(&self.patient, class, brick, version, &there).unwrap_or_default());
            }
        }
        self.remesh(again);
    }

    /// Takes over where a structure's patches are, those that are not named being at rest: see [`Overlay::dent`].
    pub(crate) fn dent<'a>(&mut self, label: Label, patches: impl Iterator<Item = (u16, &'a [[i32; 3]])>) {
        let dirty = self.surfaces.overlay.dent(&self.patient, label, patches);
        self.remesh(dirty);
    }

    /// Takes over the veil: dust and blood by brick, sixteenths.
    pub(crate) fn veil(&mut self, veil: BTreeMap<BrickIndex, [u8; 2]>) {
        self.surfaces.veil(&self.patient, &self.cut, veil);
    }

    /// Whether everything meshed so far has been handed to the renderer.
    pub(crate) fn is_settled(&self) -> bool {
        self.waiting.is_empty()
    }
}

/// The samples of a brick, stored or not.
fn samples(cut: &CutState, class: TissueClass, brick: BrickIndex) -> BrickSamples {
    match cut.field(class).brick(brick) {
        BrickState::Samples(samples) => *samples,
        BrickState::Outside => [127; BRICK_VOXELS],
        BrickState::Inside => [-127; BRICK_VOXELS],
    }
}

/// One material for a tissue class and a look: colour comes from the vertices. Nothing hidden needs one.
#[derive(Resource)]
struct TissueMaterials(BTreeMap<(TissueClass, Look), Handle<StandardMaterial>>);

/// How much is seen of what is see-through, and of what lies behind it the rest.
const FAINT: f32 = 0.24;

/// The chunks on show and the patient they belong to.
#[derive(Resource, Default)]
struct Shown {
    patient: u32,
    chunks: BTreeMap<ChunkKey, Entity>,
}

/// Draws [`Anatomy`].
pub(crate) struct AnatomyPlugin;

impl Plugin for AnatomyPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<Shown>()
            .add_systems(Startup, make_materials)
            .add_systems(Update, (show_changes, show_looks).chain().in_set(Draw).run_if(resource_exists::<Anatomy>));
    }
}

fn make_materials(mut commands: Commands, mut materials: ResMut<Assets<StandardMaterial>>) {
    let mut made = BTreeMap::new();
    for class in TissueClass::ALL {
        let (perceptual_roughness, reflectance) = palette::gloss(class);
        let solid = StandardMaterial { base_color: Color::WHITE, perceptual_roughness, reflectance, ..default() };
        let base_color = Color::WHITE.with_alpha(FAINT);
        let faint = StandardMaterial { base_color, alpha_mode: AlphaMode::Blend, ..solid.clone() };
        made.insert((class, Look::Solid), materials.add(solid));
        made.insert((class, Look::Faint), materials.add(faint));
    }
    commands.insert_resource(TissueMaterials(made));
}

/// Shows a chunk as its structure is to be shown.
fn dress(commands: &mut Commands, entity: Entity, class: TissueClass, look: Look, materials: &TissueMaterials) {
    let visible = if look == Look::Hidden { Visibility::Hidden } else { Visibility::Inherited };
    commands.entity(entity).insert(visible);
    if let Some(material) = materials.0.get(&(class, look)) {
        commands.entity(entity).insert(MeshMaterial3d(material.clone()));
    }
}

/// Structures whose look was changed.
fn show_looks(
    mut commands: Commands,
    looks: Res<Looks>,
    anatomy: Res<Anatomy>,
    shown: Res<Shown>,
    materials: Res<TissueMaterials>,
) {
    if !looks.is_changed() {
        return;
    }
    for (key, entity) in &shown.chunks {
        if let Some(of) = anatomy.patient.structures().get(usize::from(key.structure)) {
            dress(&mut commands, *entity, of.class, looks.of(key.structure), &materials);
        }
    }
}

fn show_changes(
    mut commands: Commands,
    mut anatomy: ResMut<Anatomy>,
    mut shown: ResMut<Shown>,
    mut meshes: ResMut<Assets<Mesh>>,
    materials: Res<TissueMaterials>,
    looks: Res<Looks>,
) {
    if shown.patient != anatomy.number {
        for entity in std::mem::take(&mut shown.chunks).into_values() {
            commands.entity(entity).despawn();
        }
        shown.patient = anatomy.number;
    }
    let anatomy = &mut *anatomy;
    for key in anatomy.surfaces.take_changed() {
        if !anatomy.waiting.contains(&key) {
            anatomy.waiting.push(key);
        }
    }
    let count = if shown.chunks.is_empty() { anatomy.waiting.len() } else { anatomy.waiting.len().min(UPLOADS_PER_FRAME) };
    for key in anatomy.waiting.drain(..count) {
        let class = anatomy.patient.structures().get(usize::from(key.structure)).map(|s| s.class);
        match (anatomy.surfaces.chunk(key), shown.chunks.get(&key)) {
            (None, None) => {}
            (None, Some(entity)) => {
                commands.entity(*entity).despawn();
                shown.chunks.remove(&key);
            }
            // A new asset instead of a changed one: the renderer frees the old buffers when its handle goes.
            (Some(mesh), Some(entity)) => {
                commands.entity(*entity).insert(Mesh3d(meshes.add(mesh)));
            }
            (Some(mesh), None) => {
                let Some(class) = class else { continue };
                let entity = commands.spawn(Mesh3d(meshes.add(mesh))).id();
                dress(&mut commands, entity, class, looks.of(key.structure), &materials);
                shown.chunks.insert(key, entity);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spinor_client_core::testing::two_balls;
    use spinor_volume::{ClassMask, CutOp};

    /// Going to another place in time, forward or back, leaves exactly its cuts and meshes what differs.
    #[test]
    fn another_place_in_time_is_taken_over() {
        let patient = Arc::new(two_balls());
        let mut later = CutState::new(patient.grid());
        let bone = ClassMask::of(&[TissueClass::Bone]);
        let before = later.clone();
        for op in CutOp::sweep_mm(patient.grid(), [-8.0, 0.0, 8.0], [4.0, 1.0, 7.0], 2.5, bone).unwrap() {
            later.apply(&patient, &op);
        }
        let mut anatomy = Anatomy::new(Arc::clone(&patient), before.clone(), [None, None]);
        let all = anatomy.surfaces.take_changed().len();
        anatomy.go_to(&later);
        assert_eq!(anatomy.cut.digest(), later.digest());
        let changed = anatomy.surfaces.take_changed().len();
        assert!(changed > 0 && changed < all, "{changed} of {all} chunks");
        anatomy.go_to(&before);
        assert_eq!(anatomy.cut.digest(), before.digest());
        anatomy.surfaces.take_changed();
        anatomy.go_to(&before);
        assert!(anatomy.surfaces.take_changed().is_empty(), "nothing differs, so nothing is meshed");
    }
}
