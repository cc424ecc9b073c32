//! The bone that a procedure means to remove, and how what was removed compares with it.

use spinor_volume::sample::{carve, occupancy};
use spinor_volume::{BRICK, BRICK_VOXELS, BrickState, CutState, Label, Patient, TissueClass};

use super::kind::Target;
use super::site::Site;
use super::steps::{Rule, steps};
use super::zone::Zone;

/// How far beyond a planned zone bone may go without counting as outside the plan, mm (K).
const MARGIN_MM: f64 = 1.5;

/// Planned removal of bone: the zones that a procedure's steps name.
#[derive(Clone, Debug)]
pub struct Plan {
    zones: Vec<Zone>,
}

/// What was removed, against what was planned, mm³.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PlanComparison {
    /// Bone in the planned zones before any cut.
    pub planned_mm3: f64,
    /// Bone removed within the planned zones, a margin included.
    pub within_mm3: f64,
    /// Bone removed elsewhere.
    pub outside_mm3: f64,
}

impl Plan {
    /// The plan of a procedure: every zone of bone that its steps take.
    pub fn of(target: &Target) -> Self {
        let mut zones = Vec::new();
        for rule in steps(target).iter().flat_map(|step| step.rules.iter()) {
            if let Rule::Taken { zone, .. } = rule
                && zone.is_bone()
                && !zones.contains(zone)
            {
                zones.push(*zone);
            }
        }
        Self { zones }
    }

    /// The planned zones.
    pub fn zones(&self) -> &[Zone] {
        &self.zones
    }

    /// Whether a place of the site's frame belongs to the plan, as bone of a structure.
    pub fn holds(&self, site: &Site, label: Label, at: [f64; 3]) -> bool {
        self.zones.iter().any(|zone| zone.labels(site).contains(&label) && site.in_zone(*zone, at))
    }

    /// Whether a place lies in the plan or within its margin.
    fn nearly_holds(&self, site: &Site, label: Label, at: [f64; 3]) -> bool {
        let shifts = [[0.0; 3], [MARGIN_MM, 0.0, 0.0], [0.0, MARGIN_MM, 0.0], [0.0, 0.0, MARGIN_MM]];
        shifts
            .iter()
            .any(|d| [1.0, -1.0].iter().any(|s| self.holds(site, label, [at[0] + s * d[0], at[1] + s * d[1], at[2] + s * d[2]])))
    }

    /// Compares what was removed with the plan. Cost grows with the cut bricks: some 10 ms after a laminectomy.
    pub fn compare(&self, patient: &Patient, site: &Site, cut: &CutState) -> PlanComparison {
        let grid = patient.grid();
        let voxel_mm3 = grid.voxel_mm3();
        let mut comparison = PlanComparison::default();
        for zone in &self.zones {
            comparison.planned_mm3 += super::zone::ZonePoints::new(patient, site, *zone).len() as f64;
        }
        let edge = BRICK as i32;
        for (brick, cut_samples) in cut.field(TissueClass::Bone).stored() {
            let first = grid.brick_coords(brick).map(|c| c * edge);
            for s in patient.structures().iter().filter(|s| s.class == TissueClass::Bone) {
                let state = s.sdf.brick(brick);
                for k in 0..BRICK_VOXELS {
                    let tissue = match state {
                        BrickState::Outside => break,
                        BrickState::Inside => -127,
                        BrickState::Samples(samples) => samples[k],
                    };
                    let taken = occupancy(tissue) - occupancy(carve(tissue, cut_samples[k]));
                    if taken == 0 {
                        continue;
                    }
                    let n = k as i32;
                    let voxel = [first[0] + n % edge, first[1] + n / edge % edge, first[2] + n / (edge * edge)];
                    let at = site.site_from_patient(grid.patient_from_index(voxel.map(f64::from)));
                    let mm3 = f64::from(taken) / 32.0 * voxel_mm3;
                    if self.nearly_holds(site, s.label, at) {
                        comparison.within_mm3 += mm3;
                    } else {
                        comparison.outside_mm3 += mm3;
                    }
                }
            }
        }
        comparison
    }
}
