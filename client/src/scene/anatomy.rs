//! The patient in the scene: chunks of surface as entities, renewed as they change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bevy::prelude::*;
use spinor_shared::case::ImageBricks;
use spinor_volume::{BRICK_VOXELS, BrickIndex, BrickState, CutState, Dirty, Patient, TissueClass};

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
    surfaces: Surfaces,
    waiting: Vec<ChunkKey>,
    /// Tells one patient on show from the next.
    number: u32,
}

impl Anatomy {
    /// Meshes a patient with the cuts so far.
    pub(crate) fn new(patient: Arc<Patient>, cut: CutState, ct: Option<ImageBricks>) -> Self {
        let frame = WorldFrame::of(patient.grid());
        let surfaces = Surfaces::new(&patient, &cut, frame);
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self { patient, cut, frame, ct, surfaces, waiting: Vec::new(), number }
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
            let samples = match mirror.field(class).brick(brick) {
                BrickState::Samples(samples) => *samples,
                BrickState::Outside => [127; BRICK_VOXELS],
                BrickState::Inside => [-127; BRICK_VOXELS],
            };
            // A brick that cannot be taken over belongs to no structure: there is nothing to draw.
            again.extend(
                self.cut.replace(&self.patient, class, brick, mirror.version(class, brick), &samples).unwrap_or_default(),
            );
        }
        self.remesh(again);
    }

    /// Whether everything meshed so far has been handed to the renderer.
    pub(crate) fn is_settled(&self) -> bool {
        self.waiting.is_empty()
    }
}

/// One material a tissue class: colour comes from the vertices.
#[derive(Resource)]
struct TissueMaterials(BTreeMap<TissueClass, Handle<StandardMaterial>>);

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
            .add_systems(Update, show_changes.in_set(Draw).run_if(resource_exists::<Anatomy>));
    }
}

fn make_materials(mut commands: Commands, mut materials: ResMut<Assets<StandardMaterial>>) {
    let material = |class| {
        let (perceptual_roughness, reflectance) = palette::gloss(class);
        StandardMaterial { base_color: Color::WHITE, perceptual_roughness, reflectance, ..default() }
    };
    commands.insert_resource(TissueMaterials(TissueClass::ALL.map(|class| (class, materials.add(material(class)))).into()));
}

fn show_changes(
    mut commands: Commands,
    mut anatomy: ResMut<Anatomy>,
    mut shown: ResMut<Shown>,
    mut meshes: ResMut<Assets<Mesh>>,
    materials: Res<TissueMaterials>,
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
                let Some(material) = class.and_then(|class| materials.0.get(&class)) else { continue };
                let entity = commands.spawn((Mesh3d(meshes.add(mesh)), MeshMaterial3d(material.clone()))).id();
                shown.chunks.insert(key, entity);
            }
        }
    }
}
