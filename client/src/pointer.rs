//! Where a ray meets tissue, and lines drawn there.

use bevy::prelude::*;
use spinor_shared::mark::MAX_POINTS;
use spinor_volume::TissueClass;
use spinor_volume::query::class_sdf_mm;

use crate::scene::anatomy::Anatomy;
use crate::scene::looks::{Look, Looks};

/// A drawn line's points are at least this far apart, m.
const APART_M: f32 = 0.001;

/// Where a ray from the eye first meets tissue that is shown, in the theatre.
pub(crate) fn first_tissue(anatomy: &Anatomy, looks: &Looks, from: Vec3, direction: Vec3) -> Option<Vec3> {
    const FARTHEST_M: f32 = 3.0;
    let structures = anatomy.patient.structures();
    let is_shown = |class: &TissueClass| {
        let mut of_class = structures.iter().enumerate().filter(|(_, s)| s.class == *class);
        of_class.any(|(n, _)| looks.of(n as u16) != Look::Hidden)
    };
    let shown: Vec<TissueClass> = TissueClass::ALL.into_iter().filter(is_shown).collect();
    let mut along = 0.0;
    while along < FARTHEST_M {
        let at = from + direction * along;
        let at_mm = anatomy.frame.patient_from_world(at);
        let distance = |class: &TissueClass| class_sdf_mm(&anatomy.patient, &anatomy.cut, *class, at_mm);
        let nearest_mm = shown.iter().map(distance).fold(f64::INFINITY, f64::min);
        if nearest_mm < 0.1 {
            return Some(at);
        }
        // Distances are clamped to a few voxels: far away that is the step.
        along += (nearest_mm as f32 * 1e-3 * 0.9).clamp(0.0001, 0.01);
    }
    None
}

/// A line that is being drawn.
#[derive(Debug, Default)]
pub(crate) struct Sketch(Vec<Vec3>);

impl Sketch {
    /// Goes on to a place, unless the line was just there or has become as long as can be sent.
    pub(crate) fn add(&mut self, at: Vec3) {
        if self.0.len() < MAX_POINTS && self.0.last().is_none_or(|last| last.distance(at) >= APART_M) {
            self.0.push(at);
        }
    }

    /// The line so far.
    pub(crate) fn line(&self) -> &[Vec3] {
        &self.0
    }

    /// The line when it is done; none where nothing was drawn.
    pub(crate) fn finish(&mut self) -> Option<Vec<Vec3>> {
        let line = std::mem::take(&mut self.0);
        (!line.is_empty()).then_some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wish::Target;
    use spinor_client_core::testing::two_balls;
    use std::sync::Arc;

    /// A pointer from above meets the ball where its surface is, and one that misses meets nothing.
    #[test]
    fn pointing_finds_the_surface() {
        let patient = Arc::new(two_balls());
        let cut = spinor_volume::CutState::new(patient.grid());
        let anatomy = Anatomy::new(patient, cut, [None, None]);
        let above = anatomy.frame.world_from_patient([-2.0, 60.0, 0.0]);
        let met = first_tissue(&anatomy, &Looks::default(), above, Vec3::NEG_Y).unwrap();
        let met_mm = anatomy.frame.patient_from_world(met);
        assert!((met_mm[1] - 9.0).abs() < 0.3, "{met_mm:?}");
        assert_eq!(first_tissue(&anatomy, &Looks::default(), above, Vec3::Y), None);
    }

    /// What is hidden is not pointed at: the ray goes through it to what lies behind.
    #[test]
    fn what_is_hidden_is_passed() {
        let patient = Arc::new(two_balls());
        let cut = spinor_volume::CutState::new(patient.grid());
        let anatomy = Anatomy::new(Arc::clone(&patient), cut, [None, None]);
        let mut looks = Looks::default();
        (0..2).for_each(|_| looks.next(Target::Class(TissueClass::Bone), patient.structures()));
        let above = anatomy.frame.world_from_patient([0.0, 60.0, 0.0]);
        let met = first_tissue(&anatomy, &looks, above, Vec3::NEG_Y).unwrap();
        let met_mm = anatomy.frame.patient_from_world(met);
        assert!((met_mm[1] + 8.0).abs() < 0.3, "the sac's upper side: {met_mm:?}");
    }

    #[test]
    fn a_sketch_keeps_its_points_apart_and_its_length_bounded() {
        let mut sketch = Sketch::default();
        assert_eq!(sketch.finish(), None);
        for n in 0..10_000 {
            sketch.add(Vec3::X * n as f32 * 0.0004);
        }
        let line = sketch.finish().unwrap();
        assert_eq!(line.len(), MAX_POINTS);
        assert!(line.windows(2).all(|pair| pair[0].distance(pair[1]) >= APART_M * 0.999));
        assert!(sketch.line().is_empty());
    }
}
