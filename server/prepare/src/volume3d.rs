//! Images on a regular lattice in patient space: CT, MR and label maps.

use thiserror::Error;

/// Most voxels one image may have (2²⁹: a CT of 512 × 512 × 2,048).
pub const MAX_VOXELS: usize = 1 << 29;
/// Most voxels along one axis.
pub const MAX_AXIS: usize = 8192;
/// How far the axes may be from perpendicular before an image counts as sheared (cosine of the angle between them).
pub const SHEAR_TOLERANCE: f64 = 1e-3;

/// Why a lattice cannot exist.
#[derive(Debug, Error, Clone, PartialEq)]
pub enum GeometryError {
    /// An axis without voxels, an axis that is too long, or too many voxels in all.
    #[error("an image of {0:?} voxels is empty or larger than {MAX_AXIS} on an axis or {MAX_VOXELS} in all")]
    Size([usize; 3]),
    /// A spacing that is not a finite positive number of a plausible size.
    #[error("voxel spacing {0:?} mm is not within 0.001-1000 mm")]
    Spacing([f64; 3]),
    /// An origin that is no position around a scanner.
    #[error("image origin {0:?} mm is not a position in a scanner")]
    Origin([f64; 3]),
    /// Axes that are not perpendicular.
    #[error(
        "the image is sheared: its axes {axes:?} stand at {degrees:.2}° instead of 90° (gantry tilt?); resample it to a rectangular grid first"
    )]
    Sheared {
        /// The two axes.
        axes: [usize; 2],
        /// The angle between them.
        degrees: f64,
    },
    /// Axes that are zero, not finite or linearly dependent.
    #[error("the image's axes do not span space: {0:?}")]
    Axes([[f64; 3]; 3]),
    /// As many voxels given as the lattice does not have.
    #[error("{voxels} voxels were given for an image of {size:?}")]
    Count {
        /// Voxels along the axes.
        size: [usize; 3],
        /// Voxels given.
        voxels: usize,
    },
}

/// Where an image's voxels lie: ITK's origin, spacing and direction, in patient LPS and mm.
///
/// The directions are orthonormal; they may be left-handed, as images stored with a flipped axis are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Geometry {
    /// Voxels along axes 0, 1, 2.
    pub size: [usize; 3],
    /// Distance between voxel centres along axes 0, 1, 2, mm.
    pub spacing_mm: [f64; 3],
    /// Centre of voxel (0, 0, 0), LPS, mm.
    pub origin_mm: [f64; 3],
    /// Column k is the LPS unit vector of axis k: `direction[row][col]`.
    pub direction: [[f64; 3]; 3],
}

/// The identity as a direction matrix.
pub const IDENTITY: [[f64; 3]; 3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

impl Geometry {
    /// A checked lattice; directions that are off by rounding only are made orthonormal.
    ///
    /// # Errors
    /// When size, spacing or origin are out of bounds or the axes are not perpendicular unit vectors (to [`SHEAR_TOLERANCE`]).
    pub fn new(
        size: [usize; 3],
        spacing_mm: [f64; 3],
        origin_mm: [f64; 3],
        direction: [[f64; 3]; 3],
    ) -> Result<Self, GeometryError> {
        check_size(size)?;
        if spacing_mm.iter().any(|s| !(0.001..=1000.0).contains(s)) {
            return Err(GeometryError::Spacing(spacing_mm));
        }
        if origin_mm.iter().any(|v| !v.is_finite() || v.abs() > 100_000.0) {
            return Err(GeometryError::Origin(origin_mm));
        }
        let direction = orthonormal(direction)?;
        Ok(Self { size, spacing_mm, origin_mm, direction })
    }

    /// An image along the axes of LPS.
    ///
    /// # Errors
    /// As [`Geometry::new`].
    pub fn axis_aligned(size: [usize; 3], spacing_mm: [f64; 3], origin_mm: [f64; 3]) -> Result<Self, GeometryError> {
        Self::new(size, spacing_mm, origin_mm, IDENTITY)
    }

    /// The lattice of a matrix `patient_from_index` (three rows of four, LPS, mm).
    ///
    /// # Errors
    /// As [`Geometry::new`].
    pub fn from_affine(size: [usize; 3], patient_from_index: [[f64; 4]; 3]) -> Result<Self, GeometryError> {
        let m = patient_from_index;
        let (mut spacing_mm, mut direction) = ([0.0; 3], [[0.0; 3]; 3]);
        for k in 0..3 {
            spacing_mm[k] = (m[0][k] * m[0][k] + m[1][k] * m[1][k] + m[2][k] * m[2][k]).sqrt();
            if !spacing_mm[k].is_finite() || spacing_mm[k] <= 0.0 {
                return Err(GeometryError::Axes([0, 1, 2].map(|row| [m[row][0], m[row][1], m[row][2]])));
            }
            for row in 0..3 {
                direction[row][k] = m[row][k] / spacing_mm[k];
            }
        }
        Self::new(size, spacing_mm, [m[0][3], m[1][3], m[2][3]], direction)
    }

    /// The matrix `patient_from_index`, three rows of four.
    pub fn affine(&self) -> [[f64; 4]; 3] {
        let mut m = [[0.0; 4]; 3];
        for (row, out) in m.iter_mut().enumerate() {
            for k in 0..3 {
                out[k] = self.direction[row][k] * self.spacing_mm[k];
            }
            out[3] = self.origin_mm[row];
        }
        m
    }

    /// Position in LPS, mm, of continuous voxel coordinates; the centre of a voxel is at its integers.
    ///
    /// ```
    /// # use spinor_prepare::volume3d::Geometry;
    /// let image = Geometry::axis_aligned([10, 10, 10], [0.5, 0.5, 2.0], [-1.0, 0.0, 100.0]).unwrap();
    /// assert_eq!(image.patient_from_index([2.0, 0.0, 3.0]), [0.0, 0.0, 106.0]);
    /// assert_eq!(image.index_from_patient([0.0, 0.0, 106.0]), [2.0, 0.0, 3.0]);
    /// ```
    pub fn patient_from_index(&self, index: [f64; 3]) -> [f64; 3] {
        let mut at = self.origin_mm;
        for (row, out) in at.iter_mut().enumerate() {
            for k in 0..3 {
                *out += self.direction[row][k] * self.spacing_mm[k] * index[k];
            }
        }
        at
    }

    /// Continuous voxel coordinates of a position in LPS, mm.
    pub fn index_from_patient(&self, at_mm: [f64; 3]) -> [f64; 3] {
        let d = [0, 1, 2].map(|row| at_mm[row] - self.origin_mm[row]);
        [0, 1, 2].map(|k| {
            (self.direction[0][k] * d[0] + self.direction[1][k] * d[1] + self.direction[2][k] * d[2]) / self.spacing_mm[k]
        })
    }

    /// Whether a position in LPS, mm, lies in one of the voxels.
    pub fn holds(&self, at_mm: [f64; 3]) -> bool {
        let index = self.index_from_patient(at_mm).map(f64::round);
        (0..3).all(|k| index[k] >= 0.0 && index[k] < self.size[k] as f64)
    }

    /// The LPS unit vector of axis `k`.
    pub fn axis(&self, k: usize) -> [f64; 3] {
        [self.direction[0][k], self.direction[1][k], self.direction[2][k]]
    }

    /// Number of voxels.
    pub fn voxel_count(&self) -> usize {
        self.size.iter().product()
    }

    /// Volume of one voxel, mm³.
    pub fn voxel_mm3(&self) -> f64 {
        self.spacing_mm.iter().product()
    }

    /// Place of voxel (i, j, k) in the voxels, which must lie inside.
    pub fn offset(&self, [i, j, k]: [usize; 3]) -> usize {
        i + self.size[0] * (j + self.size[1] * k)
    }

    /// Voxel (i, j, k) of a place in the voxels.
    pub fn index_of(&self, offset: usize) -> [usize; 3] {
        let [nx, ny, _] = self.size;
        [offset % nx, offset / nx % ny, offset / (nx * ny)]
    }

    /// Lowest and highest corner in LPS, mm, of the box around all voxel centres.
    pub fn bounds_mm(&self) -> ([f64; 3], [f64; 3]) {
        let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
        for corner in 0..8_usize {
            let index = [0, 1, 2].map(|k| if corner >> k & 1 == 1 { self.size[k] as f64 - 1.0 } else { 0.0 });
            let at = self.patient_from_index(index);
            for k in 0..3 {
                low[k] = low[k].min(at[k]);
                high[k] = high[k].max(at[k]);
            }
        }
        (low, high)
    }

    /// Whether both lattices have the same size and all their voxels lie within `tolerance_mm` of each other.
    pub fn same_lattice(&self, other: &Self, tolerance_mm: f64) -> bool {
        self.size == other.size
            && (0..8_usize).all(|corner| {
                let index = [0, 1, 2].map(|k| if corner >> k & 1 == 1 { self.size[k] as f64 } else { 0.0 });
                let (a, b) = (self.patient_from_index(index), other.patient_from_index(index));
                (0..3).all(|k| (a[k] - b[k]).abs() <= tolerance_mm)
            })
    }
}

/// Checks a size before anything is allocated for it.
///
/// # Errors
/// When an axis is empty or too long, or the product is beyond [`MAX_VOXELS`].
pub fn check_size(size: [usize; 3]) -> Result<usize, GeometryError> {
    let in_bounds = size.iter().all(|n| (1..=MAX_AXIS).contains(n));
    let count = size.iter().try_fold(1_usize, |product, n| product.checked_mul(*n));
    match count {
        Some(count) if in_bounds && count <= MAX_VOXELS => Ok(count),
        _ => Err(GeometryError::Size(size)),
    }
}

/// An image: x fastest, voxel (i, j, k) at `i + nx * (j + ny * k)`.
///
/// CT is `Image<i16>` in HU, MR `Image<f32>`, a label map `Image<u16>`.
#[derive(Clone, Debug, PartialEq)]
pub struct Image<T> {
    /// Where the voxels lie.
    pub geometry: Geometry,
    /// The voxels, x fastest.
    pub voxels: Vec<T>,
}

impl<T: Copy> Image<T> {
    /// An image of the given voxels.
    ///
    /// # Errors
    /// When their number does not fit the lattice.
    pub fn new(geometry: Geometry, voxels: Vec<T>) -> Result<Self, GeometryError> {
        if voxels.len() != geometry.voxel_count() {
            return Err(GeometryError::Count { size: geometry.size, voxels: voxels.len() });
        }
        Ok(Self { geometry, voxels })
    }

    /// An image of one value everywhere.
    pub fn filled(geometry: Geometry, value: T) -> Self {
        Self { geometry, voxels: vec![value; geometry.voxel_count()] }
    }

    /// The voxel at integer coordinates, or none outside.
    pub fn at(&self, [i, j, k]: [i64; 3]) -> Option<T> {
        let [nx, ny, nz] = self.geometry.size.map(|n| n as i64);
        let inside = (0..nx).contains(&i) && (0..ny).contains(&j) && (0..nz).contains(&k);
        if inside { self.voxels.get((i + nx * (j + ny * k)) as usize).copied() } else { None }
    }

    /// The voxel nearest to a position in LPS, mm, or none outside.
    pub fn nearest(&self, at_mm: [f64; 3]) -> Option<T> {
        self.at(self.geometry.index_from_patient(at_mm).map(|v| v.round() as i64))
    }

    /// The same lattice with every voxel converted.
    pub fn map<U>(&self, convert: impl Fn(T) -> U) -> Image<U> {
        Image { geometry: self.geometry, voxels: self.voxels.iter().map(|v| convert(*v)).collect() }
    }
}

impl<T: Copy + Into<f64>> Image<T> {
    /// Trilinear value at continuous voxel coordinates, or none outside the voxel centres.
    pub fn trilinear(&self, index: [f64; 3]) -> Option<f64> {
        let (mut low, mut part) = ([0_usize; 3], [0.0; 3]);
        for k in 0..3 {
            let last = self.geometry.size[k] as f64 - 1.0;
            if !(index[k] >= 0.0 && index[k] <= last) {
                return None;
            }
            let floor = index[k].floor().min((last - 1.0).max(0.0));
            low[k] = floor as usize;
            part[k] = index[k] - floor;
        }
        let mut value = 0.0;
        for corner in 0..8_usize {
            let bit = [corner & 1, corner >> 1 & 1, corner >> 2 & 1];
            let weight: f64 = (0..3).map(|k| if bit[k] == 1 { part[k] } else { 1.0 - part[k] }).product();
            if weight != 0.0 {
                let voxel: f64 =
                    (*self.voxels.get(self.geometry.offset([low[0] + bit[0], low[1] + bit[1], low[2] + bit[2]]))?).into();
                value += weight * voxel;
            }
        }
        Some(value)
    }

    /// Trilinear value at a position in LPS, mm, or none outside.
    pub fn trilinear_at_mm(&self, at_mm: [f64; 3]) -> Option<f64> {
        self.trilinear(self.geometry.index_from_patient(at_mm))
    }
}

/// The nearest orthonormal matrix to one whose columns are unit vectors up to rounding.
fn orthonormal(direction: [[f64; 3]; 3]) -> Result<[[f64; 3]; 3], GeometryError> {
    let column = |d: &[[f64; 3]; 3], k: usize| [d[0][k], d[1][k], d[2][k]];
    let dot = |a: [f64; 3], b: [f64; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
    let lengths = [0, 1, 2].map(|k| dot(column(&direction, k), column(&direction, k)).sqrt());
    if lengths.iter().any(|l| !l.is_finite() || (l - 1.0).abs() > 0.01) {
        return Err(GeometryError::Axes(direction));
    }
    let mut d = direction;
    for row in &mut d {
        for k in 0..3 {
            row[k] /= lengths[k];
        }
    }
    for axes in [[0, 1], [0, 2], [1, 2]] {
        let cosine = dot(column(&d, axes[0]), column(&d, axes[1]));
        if cosine.abs() > SHEAR_TOLERANCE {
            if cosine.abs() > 0.999 {
                return Err(GeometryError::Axes(direction));
            }
            return Err(GeometryError::Sheared { axes, degrees: cosine.clamp(-1.0, 1.0).acos().to_degrees() });
        }
    }
    // Newton's iteration towards the polar factor: D <- D (3 - DᵀD) / 2; exact matrices are left as they are.
    for _ in 0..3 {
        let mut gram = [[0.0; 3]; 3];
        for a in 0..3 {
            for b in 0..3 {
                gram[a][b] = dot(column(&d, a), column(&d, b));
            }
        }
        let mut next = [[0.0; 3]; 3];
        for (row, out) in next.iter_mut().enumerate() {
            for b in 0..3 {
                let product: f64 = (0..3).map(|a| d[row][a] * gram[a][b]).sum();
                out[b] = 1.5 * d[row][b] - 0.5 * product;
            }
        }
        d = next;
    }
    Ok(d)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_and_indices_are_inverse_for_an_oblique_lattice() {
        let (s, c) = 0.3_f64.sin_cos();
        let direction = [[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, -1.0]];
        let g = Geometry::new([5, 6, 7], [0.5, 0.7, 2.0], [-3.0, 8.0, 700.0], direction).unwrap();
        let back = g.index_from_patient(g.patient_from_index([1.5, 2.25, 6.0]));
        assert!((0..3).all(|k| (back[k] - [1.5, 2.25, 6.0][k]).abs() < 1e-12));
        let again = Geometry::from_affine(g.size, g.affine()).unwrap();
        assert!(again.same_lattice(&g, 1e-9));
        assert_eq!(g.index_of(g.offset([4, 5, 6])), [4, 5, 6]);
    }

    #[test]
    fn rounding_is_mended_and_shear_is_refused() {
        let mut direction = IDENTITY;
        direction[0][1] = 2e-4;
        let g = Geometry::new([2; 3], [1.0; 3], [0.0; 3], direction).unwrap();
        let (x, y) = (g.axis(0), g.axis(1));
        assert!((x[0] * y[0] + x[1] * y[1] + x[2] * y[2]).abs() < 1e-12);
        direction[0][1] = 0.0872;
        direction[1][1] = 0.9962;
        let error = Geometry::new([2; 3], [1.0; 3], [0.0; 3], direction).unwrap_err();
        assert!(matches!(error, GeometryError::Sheared { axes: [0, 1], degrees } if (degrees - 85.0).abs() < 0.01), "{error}");
    }

    #[test]
    fn impossible_lattices_are_refused() {
        assert!(Geometry::axis_aligned([0, 1, 1], [1.0; 3], [0.0; 3]).is_err());
        assert!(Geometry::axis_aligned([8192; 3], [1.0; 3], [0.0; 3]).is_err());
        assert!(Geometry::axis_aligned([1; 3], [f64::NAN, 1.0, 1.0], [0.0; 3]).is_err());
        assert!(Geometry::axis_aligned([1; 3], [1.0; 3], [f64::INFINITY, 0.0, 0.0]).is_err());
        assert!(Geometry::new([1; 3], [1.0; 3], [0.0; 3], [[1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]]).is_err());
        let g = Geometry::axis_aligned([2; 3], [1.0; 3], [0.0; 3]).unwrap();
        assert!(Image::new(g, vec![0_u16; 7]).is_err());
    }

    #[test]
    fn trilinear_reproduces_a_linear_ramp() {
        let g = Geometry::axis_aligned([4, 3, 2], [1.0; 3], [0.0; 3]).unwrap();
        let voxels = (0..24).map(|o| g.index_of(o)).map(|[i, j, k]| (2 * i + 3 * j + 5 * k) as f32).collect();
        let image = Image::new(g, voxels).unwrap();
        assert!((image.trilinear([2.5, 1.25, 0.5]).unwrap() - (5.0 + 3.75 + 2.5)).abs() < 1e-9);
        assert_eq!(image.trilinear([3.0, 2.0, 1.0]), Some(17.0));
        assert_eq!(image.trilinear([3.01, 2.0, 1.0]), None);
        assert_eq!(image.trilinear([f64::NAN, 0.0, 0.0]), None);
        assert_eq!(image.nearest([2.4, 0.6, 1.0]), Some(12.0));
        assert_eq!(image.at([-1, 0, 0]), None);
    }
}
