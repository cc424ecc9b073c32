//! Where a picture is taken from.

use spinor_volume::{BrickState, Patient, TissueClass};

use crate::vector::{cross, length, sub};

/// From which side of the patient a picture is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From behind, as the surgeon sees a prone patient: the patient's left is on the left.
    Posterior,
    /// From the front.
    Anterior,
    /// From the patient's left: the back is on the right.
    Left,
    /// From the patient's right.
    Right,
    /// From behind, the left and above.
    Oblique,
    /// From above, looking down the canal: the back is at the bottom.
    Superior,
}

impl Direction {
    /// Where the viewer looks, and what is up in the picture, patient LPS.
    pub const fn axes(self) -> ([f64; 3], [f64; 3]) {
        match self {
            Self::Posterior => ([0.0, -1.0, 0.0], [0.0, 0.0, 1.0]),
            Self::Anterior => ([0.0, 1.0, 0.0], [0.0, 0.0, 1.0]),
            Self::Left => ([-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]),
            Self::Right => ([1.0, 0.0, 0.0], [0.0, 0.0, 1.0]),
            Self::Oblique => ([-0.62, -0.72, -0.32], [0.0, 0.0, 1.0]),
            Self::Superior => ([0.0, 0.0, -1.0], [0.0, -1.0, 0.0]),
        }
    }
}

/// A point of view with parallel or perspective rays.
#[derive(Clone, Copy, Debug)]
pub struct Camera {
    eye: [f64; 3],
    forward: [f64; 3],
    right: [f64; 3],
    up: [f64; 3],
    /// Height of the picture in mm (parallel), or at distance 1 (perspective).
    height: f64,
    perspective: bool,
}

pub(super) struct Ray {
    pub origin: [f64; 3],
    pub direction: [f64; 3],
}

/// The direction of a vector.
pub(super) fn unit(a: [f64; 3]) -> [f64; 3] {
    let n = length(a).max(1e-12);
    a.map(|v| v / n)
}

impl Camera {
    /// Parallel rays along `forward` onto a picture `height_mm` high whose middle is `target` (patient LPS mm).
    pub fn parallel(target: [f64; 3], forward: [f64; 3], up: [f64; 3], height_mm: f64) -> Self {
        let forward = unit(forward);
        let right = unit(cross(forward, up));
        let eye = [0, 1, 2].map(|k| target[k] - forward[k] * 600.0);
        Self { eye, forward, right, up: cross(right, forward), height: height_mm, perspective: false }
    }

    /// A lens at `eye` that looks at `target`, `angle_deg` high.
    pub fn perspective(eye: [f64; 3], target: [f64; 3], up: [f64; 3], angle_deg: f64) -> Self {
        let forward = unit(sub(target, eye));
        let right = unit(cross(forward, up));
        let height = 2.0 * (angle_deg.to_radians() / 2.0).tan();
        Self { eye, forward, right, up: cross(right, forward), height, perspective: true }
    }

    /// A view of the whole patient from one side, with parallel rays, that fits a picture with this ratio of width to height.
    pub fn of(patient: &Patient, from: Direction, aspect: f64) -> Self {
        let (low, high) = extent(patient);
        let middle = [0, 1, 2].map(|k| (low[k] + high[k]) / 2.0);
        let (forward, up) = from.axes();
        let mut camera = Self::parallel(middle, forward, up, 1.0);
        let reach = |axis: [f64; 3]| (0..3).map(|k| axis[k].abs() * (high[k] - low[k])).sum::<f64>();
        let loose = if from == Direction::Oblique { 0.97 } else { 1.04 };
        camera.height = loose * reach(camera.up).max(reach(camera.right) / aspect.max(0.1));
        camera
    }

    /// The direction to the picture's right, a unit vector in patient LPS.
    pub fn right(&self) -> [f64; 3] {
        self.right
    }

    /// The direction to the picture's lower edge, a unit vector in patient LPS.
    pub fn down(&self) -> [f64; 3] {
        self.up.map(|v| -v)
    }

    pub(super) fn ray(&self, x: f64, y: f64, size: [f64; 2]) -> Ray {
        let across = (x - size[0] / 2.0) / size[1] * self.height;
        let upward = (size[1] / 2.0 - y) / size[1] * self.height;
        let offset = [0, 1, 2].map(|k| self.right[k] * across + self.up[k] * upward);
        if self.perspective {
            Ray { origin: self.eye, direction: unit([0, 1, 2].map(|k| self.forward[k] + offset[k])) }
        } else {
            Ray { origin: [0, 1, 2].map(|k| self.eye[k] + offset[k]), direction: self.forward }
        }
    }
}

/// Box around the bone (around everything where there is none), patient LPS mm.
fn extent(patient: &Patient) -> ([f64; 3], [f64; 3]) {
    let grid = patient.grid();
    let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
    let bone = patient.structures().iter().any(|s| s.class == TissueClass::Bone);
    for s in patient.structures().iter().filter(|s| !bone || s.class == TissueClass::Bone) {
        for (brick, samples) in s.sdf.stored() {
            if !matches!(s.sdf.brick(brick), BrickState::Samples(_)) || samples.iter().all(|v| *v > 0) {
                continue;
            }
            let first = grid.brick_coords(brick).map(|c| f64::from(c) * 16.0);
            let (a, b) = (grid.patient_from_index(first), grid.patient_from_index(first.map(|v| v + 15.0)));
            for k in 0..3 {
                low[k] = low[k].min(a[k]);
                high[k] = high[k].max(b[k]);
            }
        }
    }
    if low[0] > high[0] {
        let end = grid.patient_from_index(grid.voxels().map(f64::from));
        return (grid.origin_mm(), end);
    }
    (low, high)
}
