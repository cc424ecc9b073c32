//! Turning an image to the closest right-anterior-superior orientation and back, as nibabel's `as_closest_canonical` does.

use crate::volume3d::Geometry;

/// An order of the axes with mirrorings.
pub(super) struct Turn {
    from: [usize; 3],
    /// Axis k of the turned image is axis `axes[k]` of the image.
    axes: [usize; 3],
    flip: [bool; 3],
}

impl Turn {
    /// The turn after which the axes point right, forward and up as closely as they can.
    pub(super) fn to_ras(geometry: &Geometry) -> Self {
        // Rows of the direction are left, backward, up: the first two are counted the other way round.
        let (mut axes, mut flip) = ([0, 1, 2], [false; 3]);
        let (mut world_free, mut image_free) = ([true; 3], [true; 3]);
        for _ in 0..3 {
            let pairs = (0..9).map(|n| (n / 3, n % 3)).filter(|(w, k)| world_free[*w] && image_free[*k]);
            let size = |(w, k): &(usize, usize)| geometry.direction[*w][*k].abs();
            let Some((world, axis)) = pairs.max_by(|a, b| size(a).total_cmp(&size(b))) else { break };
            axes[world] = axis;
            flip[world] = (geometry.direction[world][axis] < 0.0) != (world < 2);
            (world_free[world], image_free[axis]) = (false, false);
        }
        Self { from: geometry.size, axes, flip }
    }

    /// Axis k of the turned image is axis `axes()[k]` of the image.
    pub(super) fn axes(&self) -> [usize; 3] {
        self.axes
    }

    /// Voxels of the turned image.
    pub(super) fn size(&self) -> [usize; 3] {
        self.axes.map(|k| self.from[k])
    }

    /// Places of the turned image's voxels in the image, in the turned image's order.
    fn places(&self) -> impl Iterator<Item = usize> {
        let steps = [1, self.from[0], self.from[0] * self.from[1]];
        let [nx, ny, nz] = self.size();
        let at = move |k: usize, i: usize| {
            let axis = self.axes[k];
            steps[axis] * if self.flip[k] { self.from[axis] - 1 - i } else { i }
        };
        (0..nz).flat_map(move |z| (0..ny).flat_map(move |y| (0..nx).map(move |x| at(0, x) + at(1, y) + at(2, z))))
    }

    /// The turned voxels.
    pub(super) fn apply(&self, voxels: &[f32]) -> Vec<f32> {
        self.places().map(|at| voxels[at]).collect()
    }

    /// The voxels of a turned label map in the image's own order.
    pub(super) fn undo(&self, turned: &[u16]) -> Vec<u16> {
        let mut out = vec![0; turned.len()];
        self.places().zip(turned).for_each(|(at, v)| out[at] = *v);
        out
    }
}

#[cfg(test)]
mod tests {
    //! After the turn the axes point right, forward and up, and turning back restores the order.

    use super::*;

    #[test]
    fn axes_point_right_forward_and_up() {
        // Stored sagittally: axis 0 runs backward, axis 1 upward, axis 2 to the left.
        let direction = [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]];
        let geometry = Geometry::new([2, 3, 4], [1.0; 3], [0.0; 3], direction).expect("a lattice");
        let turn = Turn::to_ras(&geometry);
        assert_eq!(turn.size(), [4, 2, 3]);
        let voxels: Vec<f32> = (0..24).map(|n| n as f32).collect();
        let turned = turn.apply(&voxels);
        // First voxel: leftmost is last now, so it is the highest of axis 2; the front is the highest of axis 0 reversed.
        assert_eq!(turned[0], (3 * 6 + 1) as f32);
        assert_eq!(turned[1], (2 * 6 + 1) as f32);
        let labels: Vec<u16> = turned.iter().map(|v| *v as u16).collect();
        assert_eq!(turn.undo(&labels), (0..24).collect::<Vec<u16>>());
    }

    #[test]
    fn an_image_in_ras_is_left_alone() {
        let direction = [[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]];
        let geometry = Geometry::new([2, 3, 4], [1.0; 3], [0.0; 3], direction).expect("a lattice");
        let voxels: Vec<f32> = (0..24).map(|n| n as f32).collect();
        assert_eq!(Turn::to_ras(&geometry).apply(&voxels), voxels);
    }
}
