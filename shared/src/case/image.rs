//! A CT or MR image for slices: on its own oblique lattice, in bricks of 32³ that are packed one by one.

use std::sync::{Arc, OnceLock};

use super::CaseError;
use super::bytes::Input;

/// Edge length of an image brick in voxels.
pub const IMAGE_BRICK: usize = 32;
/// Voxels of an image brick, x fastest.
pub const IMAGE_BRICK_VOXELS: usize = IMAGE_BRICK * IMAGE_BRICK * IMAGE_BRICK;
/// Most bytes a packed brick can have: incompressible voxels and some overhead.
pub const MAX_PACKED_BRICK: usize = 2 * IMAGE_BRICK_VOXELS + 1024;
/// Most voxels along one axis of an image.
const MAX_IMAGE_SIZE: u64 = 2048;
/// Most bricks of an image: 2³⁰ voxels.
const MAX_IMAGE_BRICKS: u64 = 1 << 15;
/// What errors call an image's bytes.
const WHAT: &str = "image";

/// Where an image's voxels lie, and what their numbers mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ImageGeometry {
    /// Voxels along the image's own axes.
    pub size: [u32; 3],
    /// Distance between voxel centres along the image's own axes, mm.
    pub spacing_mm: [f64; 3],
    /// Position of the centre of voxel (0, 0, 0), LPS mm in the image's own frame.
    pub origin_mm: [f64; 3],
    /// `direction[row][k]`: row of the unit vector of axis k, LPS. Orthonormal.
    pub direction: [[f64; 3]; 3],
    /// Rigid `patient_from_image`, row by row with the translation in mm last; the identity for the CT, whose frame the case has.
    pub patient_from_image: [[f64; 4]; 3],
    /// A voxel's value is `slope * stored + intercept` (HU for CT: 1 and 0).
    pub slope: f64,
    /// See `slope`.
    pub intercept: f64,
}

/// The rigid transform that moves nothing.
pub const IDENTITY: [[f64; 4]; 3] = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]];

impl ImageGeometry {
    /// Checks that the geometry can be a scan's.
    ///
    /// # Errors
    /// Sizes out of bounds, spacing that is not positive, axes that are not orthonormal, values that are not finite.
    pub fn check(&self) -> Result<(), CaseError> {
        for n in self.size.map(u64::from) {
            if n == 0 {
                return Err(CaseError::Malformed("image size"));
            }
            if n > MAX_IMAGE_SIZE {
                return Err(CaseError::TooLarge { what: "image size", value: n, limit: MAX_IMAGE_SIZE });
            }
        }
        let bricks = self.bricks().iter().map(|n| u64::from(*n)).product();
        if bricks > MAX_IMAGE_BRICKS {
            return Err(CaseError::TooLarge { what: "number of image bricks", value: bricks, limit: MAX_IMAGE_BRICKS });
        }
        if self.spacing_mm.iter().any(|h| !(0.01..=100.0).contains(h)) {
            return Err(CaseError::Malformed("image spacing"));
        }
        if self.origin_mm.iter().any(|v| !v.is_finite() || v.abs() > 100_000.0) {
            return Err(CaseError::Malformed("image origin"));
        }
        let rotation = self.patient_from_image.map(|[a, b, c, _]| [a, b, c]);
        if !orthonormal(&self.direction) || !orthonormal(&rotation) {
            return Err(CaseError::Malformed("image orientation"));
        }
        if self.patient_from_image.iter().any(|row| !row[3].is_finite() || row[3].abs() > 100_000.0) {
            return Err(CaseError::Malformed("image registration"));
        }
        if !self.slope.is_finite() || self.slope == 0.0 || !self.intercept.is_finite() {
            return Err(CaseError::Malformed("image value scale"));
        }
        Ok(())
    }

    /// Bricks along the image's own axes.
    pub fn bricks(&self) -> [u32; 3] {
        self.size.map(|n| n.div_ceil(IMAGE_BRICK as u32))
    }

    /// Position in patient LPS, mm, of continuous voxel coordinates.
    pub fn patient_from_index(&self, index: [f64; 3]) -> [f64; 3] {
        let mut own = self.origin_mm;
        for (row, value) in own.iter_mut().enumerate() {
            for k in 0..3 {
                *value += self.direction[row][k] * self.spacing_mm[k] * index[k];
            }
        }
        self.patient_from_image.map(|[a, b, c, t]| a * own[0] + b * own[1] + c * own[2] + t)
    }

    /// Continuous voxel coordinates of a position in patient LPS, mm.
    pub fn index_from_patient(&self, at_mm: [f64; 3]) -> [f64; 3] {
        let m = &self.patient_from_image;
        let moved = [at_mm[0] - m[0][3], at_mm[1] - m[1][3], at_mm[2] - m[2][3]];
        let mut from_origin = [0.0; 3];
        for (k, value) in from_origin.iter_mut().enumerate() {
            *value = m[0][k] * moved[0] + m[1][k] * moved[1] + m[2][k] * moved[2] - self.origin_mm[k];
        }
        let mut index = [0.0; 3];
        for (k, value) in index.iter_mut().enumerate() {
            let along: f64 = (0..3).map(|row| self.direction[row][k] * from_origin[row]).sum();
            *value = along / self.spacing_mm[k];
        }
        index
    }
}

/// Whether columns are unit vectors at right angles, within what headers round to.
fn orthonormal(m: &[[f64; 3]; 3]) -> bool {
    (0..3).all(|a| {
        (0..3).all(|b| {
            let dot: f64 = (0..3).map(|row| m[row][a] * m[row][b]).sum();
            (dot - if a == b { 1.0 } else { 0.0 }).abs() <= 1e-3
        })
    })
}

/// One brick's voxels once unpacked.
type Voxels = Box<[i16; IMAGE_BRICK_VOXELS]>;

/// A brick as it is stored and sent, and its voxels from the first time somebody looks.
#[derive(Clone, Debug, Default)]
struct Slot {
    packed: Option<Arc<[u8]>>,
    voxels: OnceLock<Option<Voxels>>,
}

/// An image in packed bricks, some of which may not have arrived yet. Sampling unpacks what it touches, once.
#[derive(Clone, Debug)]
pub struct ImageBricks {
    geometry: ImageGeometry,
    slots: Vec<Slot>,
}

impl PartialEq for ImageBricks {
    fn eq(&self, other: &Self) -> bool {
        self.geometry == other.geometry && self.slots.iter().zip(&other.slots).all(|(a, b)| a.packed == b.packed)
    }
}

impl ImageBricks {
    /// An image whose bricks are all still missing.
    ///
    /// # Errors
    /// As [`ImageGeometry::check`].
    pub fn empty(geometry: ImageGeometry) -> Result<Self, CaseError> {
        geometry.check()?;
        let count = geometry.bricks().iter().map(|n| *n as usize).product();
        Ok(Self { geometry, slots: vec![Slot::default(); count] })
    }

    /// Packs an image whose stored value at voxel (i, j, k) is `voxel([i, j, k])`. Bricks that reach past it repeat its border.
    ///
    /// # Errors
    /// As [`ImageGeometry::check`].
    pub fn pack(geometry: ImageGeometry, voxel: impl Fn([u32; 3]) -> i16) -> Result<Self, CaseError> {
        let mut image = Self::empty(geometry)?;
        for brick in 0..image.slots.len() as u32 {
            let first = image.brick_coords(brick).map(|b| b * IMAGE_BRICK as u32);
            let mut voxels = [0_i16; IMAGE_BRICK_VOXELS];
            for (at, value) in voxels.iter_mut().enumerate() {
                let within = [at % IMAGE_BRICK, at / IMAGE_BRICK % IMAGE_BRICK, at / (IMAGE_BRICK * IMAGE_BRICK)];
                let mut index = [0; 3];
                for k in 0..3 {
                    index[k] = (first[k] + within[k] as u32).min(geometry.size[k] - 1);
                }
                *value = voxel(index);
            }
            image.slots[brick as usize].packed = Some(pack_brick(&voxels).into());
        }
        Ok(image)
    }

    /// Where the voxels lie.
    pub fn geometry(&self) -> &ImageGeometry {
        &self.geometry
    }

    /// Number of bricks, present or not; they are numbered `x + nx * (y + ny * z)`.
    pub fn brick_count(&self) -> u32 {
        self.slots.len() as u32
    }

    /// Coordinates of a brick by its number.
    pub fn brick_coords(&self, brick: u32) -> [u32; 3] {
        let [nx, ny, _] = self.geometry.bricks();
        [brick % nx, brick / nx % ny, brick / (nx * ny)]
    }

    /// A brick as it is stored and sent; none where it has not arrived.
    pub fn packed(&self, brick: u32) -> Option<&[u8]> {
        self.slots.get(brick as usize)?.packed.as_deref()
    }

    /// Takes over a packed brick. Its voxels are unpacked now, so that a brick that cannot be is refused.
    ///
    /// # Errors
    /// A number the image lacks, or bytes that are no brick.
    pub fn insert(&mut self, brick: u32, packed: &[u8]) -> Result<(), CaseError> {
        let slot = self.slots.get_mut(brick as usize).ok_or(CaseError::Malformed("image brick number"))?;
        let voxels = unpack_brick(packed)?;
        *slot = Slot { packed: Some(packed.into()), voxels: OnceLock::from(Some(voxels)) };
        Ok(())
    }

    /// A brick's stored values, x fastest; none where it has not arrived (or, in a crafted file, cannot be unpacked).
    pub fn voxels(&self, brick: u32) -> Option<&[i16; IMAGE_BRICK_VOXELS]> {
        let slot = self.slots.get(brick as usize)?;
        let packed = slot.packed.as_deref()?;
        slot.voxels.get_or_init(|| unpack_brick(packed).ok()).as_deref()
    }

    /// The image's value (HU for CT) at a position in patient LPS, mm, trilinear; none outside the image or where bricks are missing.
    pub fn sample_hu(&self, at_mm: [f64; 3]) -> Option<f32> {
        let index = self.geometry.index_from_patient(at_mm);
        let (mut low, mut high, mut t) = ([0; 3], [0; 3], [0.0; 3]);
        for k in 0..3 {
            let last = f64::from(self.geometry.size[k] - 1);
            if !(-0.5..=last + 0.5).contains(&index[k]) {
                return None;
            }
            let inside = index[k].clamp(0.0, last);
            low[k] = inside.floor() as u32;
            high[k] = (low[k] + 1).min(self.geometry.size[k] - 1);
            t[k] = inside - f64::from(low[k]);
        }
        let mut sum = 0.0;
        for corner in 0..8 {
            let (mut index, mut weight) = (low, 1.0);
            for k in 0..3 {
                if corner >> k & 1 == 1 {
                    index[k] = high[k];
                    weight *= t[k];
                } else {
                    weight *= 1.0 - t[k];
                }
            }
            if weight > 0.0 {
                sum += weight * f64::from(self.stored(index)?);
            }
        }
        Some((self.geometry.slope * sum + self.geometry.intercept) as f32)
    }

    /// The stored value of a voxel inside the image.
    fn stored(&self, index: [u32; 3]) -> Option<i16> {
        let edge = IMAGE_BRICK as u32;
        let [nx, ny, _] = self.geometry.bricks();
        let [bx, by, bz] = index.map(|v| v / edge);
        let [x, y, z] = index.map(|v| (v % edge) as usize);
        let voxels = self.voxels(bx + nx * (by + ny * bz))?;
        voxels.get(x + IMAGE_BRICK * (y + IMAGE_BRICK * z)).copied()
    }

    /// The geometry's bytes, which a receiver needs before any brick.
    pub fn header(&self) -> Vec<u8> {
        let g = &self.geometry;
        let mut out = Vec::with_capacity(260);
        g.size.iter().for_each(|n| out.extend(n.to_le_bytes()));
        let numbers = g.spacing_mm.iter().chain(&g.origin_mm).chain(g.direction.iter().flatten());
        let numbers = numbers.chain(g.patient_from_image.iter().flatten()).chain([&g.slope, &g.intercept]);
        numbers.for_each(|v| out.extend(v.to_le_bytes()));
        out
    }

    /// An image without bricks from [`ImageBricks::header`].
    ///
    /// # Errors
    /// Bytes that end early or go on, and as [`ImageGeometry::check`].
    pub fn from_header(bytes: &[u8]) -> Result<Self, CaseError> {
        let mut input = Input::new(bytes, WHAT);
        let geometry = read_geometry(&mut input)?;
        input.finish()?;
        Self::empty(geometry)
    }

    /// The section's bytes: header, number of bricks, then each present brick's number, length and bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = self.header();
        let present: Vec<(usize, &[u8])> =
            self.slots.iter().enumerate().filter_map(|(n, slot)| Some((n, slot.packed.as_deref()?))).collect();
        out.extend((present.len() as u32).to_le_bytes());
        for (n, packed) in present {
            out.extend((n as u32).to_le_bytes());
            out.extend((packed.len() as u32).to_le_bytes());
            out.extend_from_slice(packed);
        }
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, CaseError> {
        let mut input = Input::new(bytes, WHAT);
        let mut image = Self::empty(read_geometry(&mut input)?)?;
        let count = input.count("number of image bricks", image.slots.len() as u64)?;
        let mut next = 0;
        for _ in 0..count {
            let brick = input.u32()? as usize;
            let length = input.count("length of an image brick", MAX_PACKED_BRICK as u64)?;
            let mut packed = vec![0; length];
            input.fill(&mut packed)?;
            match image.slots.get_mut(brick) {
                Some(slot) if brick >= next => slot.packed = Some(packed.into()),
                _ => return Err(CaseError::Malformed("image brick number")),
            }
            next = brick + 1;
        }
        input.finish()?;
        Ok(image)
    }
}

fn read_geometry(input: &mut Input<&[u8]>) -> Result<ImageGeometry, CaseError> {
    let size = [input.u32()?, input.u32()?, input.u32()?];
    let (spacing_mm, origin_mm) = (input.f64s()?, input.f64s()?);
    let direction = [input.f64s()?, input.f64s()?, input.f64s()?];
    let patient_from_image = [input.f64s()?, input.f64s()?, input.f64s()?];
    let geometry = ImageGeometry {
        size,
        spacing_mm,
        origin_mm,
        direction,
        patient_from_image,
        slope: input.f64()?,
        intercept: input.f64()?,
    };
    geometry.check()?;
    Ok(geometry)
}

/// Differences along x, folded so that small ones have an empty high byte, low bytes before high bytes, then zstd.
fn pack_brick(voxels: &[i16; IMAGE_BRICK_VOXELS]) -> Vec<u8> {
    let mut planes = vec![0_u8; 2 * IMAGE_BRICK_VOXELS];
    let (low, high) = planes.split_at_mut(IMAGE_BRICK_VOXELS);
    for (at, value) in voxels.iter().enumerate() {
        let before = if at % IMAGE_BRICK > 0 { voxels[at - 1] } else { 0 };
        let step = value.wrapping_sub(before);
        let folded = ((step << 1) ^ (step >> 15)) as u16;
        [low[at], high[at]] = folded.to_le_bytes();
    }
    // A slice of this size always fits: zstd fails only for lack of memory.
    zstd::bulk::compress(&planes, 3).unwrap_or_default()
}

fn unpack_brick(packed: &[u8]) -> Result<Voxels, CaseError> {
    if packed.len() > MAX_PACKED_BRICK {
        let (value, limit) = (packed.len() as u64, MAX_PACKED_BRICK as u64);
        return Err(CaseError::TooLarge { what: "length of an image brick", value, limit });
    }
    let planes = zstd::bulk::decompress(packed, 2 * IMAGE_BRICK_VOXELS)
        .map_err(|source| CaseError::Decompress { what: "image brick", source })?;
    if planes.len() != 2 * IMAGE_BRICK_VOXELS {
        return Err(CaseError::Truncated("image brick"));
    }
    let (low, high) = planes.split_at(IMAGE_BRICK_VOXELS);
    let mut voxels: Voxels = Box::new([0; IMAGE_BRICK_VOXELS]);
    let mut before = 0_i16;
    for (at, value) in voxels.iter_mut().enumerate() {
        if at % IMAGE_BRICK == 0 {
            before = 0;
        }
        let folded = u16::from_le_bytes([low[at], high[at]]);
        let step = (folded >> 1) as i16 ^ -((folded & 1) as i16);
        before = before.wrapping_add(step);
        *value = before;
    }
    Ok(voxels)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oblique(size: [u32; 3]) -> ImageGeometry {
        let (s, c) = (0.6, 0.8);
        ImageGeometry {
            size,
            spacing_mm: [0.7, 0.9, 2.0],
            origin_mm: [-30.0, 12.0, -600.0],
            direction: [[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]],
            patient_from_image: [[0.0, -1.0, 0.0, 3.0], [1.0, 0.0, 0.0, -2.0], [0.0, 0.0, 1.0, 5.0]],
            slope: 1.0,
            intercept: 0.0,
        }
    }

    /// Trilinear sampling reproduces a linear image exactly, across bricks, on an oblique lattice behind a rigid transform.
    #[test]
    fn a_linear_image_is_sampled_exactly() {
        let linear = |v: [f64; 3]| 5.0 * v[0] - 3.0 * v[1] + 7.0 * v[2] - 100.0;
        let image = ImageBricks::pack(oblique([40, 35, 33]), |v| linear(v.map(f64::from)) as i16).unwrap();
        for index in [[0.0, 0.0, 0.0], [31.5, 31.25, 31.75], [38.9, 33.1, 0.4], [12.3, 31.9, 30.6]] {
            let at = image.geometry().patient_from_index(index);
            let got = f64::from(image.sample_hu(at).unwrap());
            assert!((got - linear(index)).abs() < 1e-3, "{index:?}: {got} {}", linear(index));
        }
        assert_eq!(image.sample_hu(image.geometry().patient_from_index([40.0, 3.0, 3.0])), None);
        assert_eq!(image.sample_hu([f64::NAN; 3]), None);
    }

    /// Bricks travel one by one: a mirror that has the header and one brick samples there and nowhere else.
    #[test]
    fn bricks_arrive_one_by_one() {
        let image = ImageBricks::pack(oblique([64, 32, 32]), |v| (v[0] * 37 % 2_000) as i16 - 1_000).unwrap();
        let mut mirror = ImageBricks::from_header(&image.header()).unwrap();
        let at = image.geometry().patient_from_index([10.0, 5.0, 5.0]);
        assert_eq!(mirror.sample_hu(at), None);
        mirror.insert(0, image.packed(0).unwrap()).unwrap();
        assert_eq!(mirror.sample_hu(at), image.sample_hu(at));
        assert_eq!(mirror.sample_hu(image.geometry().patient_from_index([50.0, 5.0, 5.0])), None);
        assert!(mirror.insert(2, image.packed(0).unwrap()).is_err());
        assert!(mirror.insert(1, &image.packed(1).unwrap()[..9]).is_err());
        let bomb = zstd::bulk::compress(&vec![0; 16 << 20], 3).unwrap();
        assert!(matches!(mirror.insert(1, &bomb), Err(CaseError::Decompress { .. })));
    }

    /// Extremes of the stored type survive packing.
    #[test]
    fn extreme_values_survive() {
        let value = |v: [u32; 3]| if (v[0] + v[1] + v[2]).is_multiple_of(2) { i16::MIN } else { i16::MAX };
        let image = ImageBricks::pack(oblique([5, 5, 5]), value).unwrap();
        let voxels = image.voxels(0).unwrap();
        assert_eq!((voxels[0], voxels[1], voxels[32]), (i16::MIN, i16::MAX, i16::MAX));
    }
}
