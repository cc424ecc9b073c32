//! The header of a NIfTI-1 or NIfTI-2 file, reduced to what an image in LPS needs.

use nifti::{Endianness, NiftiHeader};

use crate::nifti_io::NiftiError;
use crate::volume3d::{Geometry, check_size};

/// Most bytes between the header and the voxels (extensions).
const MAX_OFFSET: u64 = 16 << 20;

/// How a voxel is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    U8,
    I8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
    F32,
    F64,
}

impl Stored {
    fn from_code(code: i16) -> Result<Self, NiftiError> {
        Ok(match code {
            2 => Self::U8,
            4 => Self::I16,
            8 => Self::I32,
            16 => Self::F32,
            64 => Self::F64,
            256 => Self::I8,
            512 => Self::U16,
            768 => Self::U32,
            1024 => Self::I64,
            1280 => Self::U64,
            128 | 2304 => return Err(NiftiError::Kind { code, what: "colour" }),
            32 | 1792 | 2048 => return Err(NiftiError::Kind { code, what: "complex" }),
            1536 => return Err(NiftiError::Kind { code, what: "128-bit" }),
            1 => return Err(NiftiError::Kind { code, what: "single-bit" }),
            _ => return Err(NiftiError::Kind { code, what: "unknown" }),
        })
    }

    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 => 8,
        }
    }
}

/// What of a header matters.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub(crate) geometry: Geometry,
    pub(crate) stored: Stored,
    pub(crate) little_endian: bool,
    /// Slope and intercept; (1, 0) where the file leaves values as they are.
    pub(crate) slope: f64,
    pub(crate) inter: f64,
    /// Where the voxels start in the file.
    pub(crate) offset: u64,
    /// Whether the file says which way its axes run; otherwise they are taken for right, front and up, as old programs do.
    pub(crate) is_oriented: bool,
}

/// The fields of either version before they are checked.
struct Fields {
    dim: [i64; 8],
    datatype: i16,
    bitpix: i16,
    pixdim: [f64; 8],
    offset: f64,
    header_bytes: u64,
    slope: f64,
    inter: f64,
    units: i32,
    qform_code: i32,
    sform_code: i32,
    quatern: [f64; 3],
    shift: [f64; 3],
    srow: [[f64; 4]; 3],
    little_endian: bool,
}

/// Bytes to read before [`parse`]: the longer header, or the whole file when that is shorter.
pub(crate) const LONGEST_HEADER: usize = 540;

/// Parses the first bytes of a file.
pub(crate) fn parse(start: &[u8]) -> Result<Header, NiftiError> {
    let size: [u8; 4] = start.get(..4).and_then(|b| b.try_into().ok()).ok_or(NiftiError::NotNifti)?;
    let fields = match (i32::from_le_bytes(size), i32::from_be_bytes(size)) {
        (348, _) | (_, 348) => first(start)?,
        (540, _) => second(start, true)?,
        (_, 540) => second(start, false)?,
        _ => return Err(NiftiError::NotNifti),
    };
    fields.check()
}

fn first(start: &[u8]) -> Result<Fields, NiftiError> {
    let bytes = start.get(..348).ok_or(NiftiError::Truncated { what: "header" })?;
    let h = NiftiHeader::from_reader(bytes).map_err(|_| NiftiError::NotNifti)?;
    if &h.magic == nifti::header::MAGIC_CODE_NI1 {
        return Err(NiftiError::Pair);
    }
    let row = |r: [f32; 4]| r.map(f64::from);
    Ok(Fields {
        dim: h.dim.map(i64::from),
        datatype: h.datatype,
        bitpix: h.bitpix,
        pixdim: h.pixdim.map(f64::from),
        offset: f64::from(h.vox_offset),
        header_bytes: 348,
        slope: f64::from(h.scl_slope),
        inter: f64::from(h.scl_inter),
        units: i32::from(h.xyzt_units),
        qform_code: i32::from(h.qform_code),
        sform_code: i32::from(h.sform_code),
        quatern: [h.quatern_b, h.quatern_c, h.quatern_d].map(f64::from),
        shift: [h.quatern_x, h.quatern_y, h.quatern_z].map(f64::from),
        srow: [row(h.srow_x), row(h.srow_y), row(h.srow_z)],
        little_endian: h.endianness == Endianness::Little,
    })
}

/// NIfTI-2 (<https://nifti.nimh.nih.gov/nifti-2>), which the crate for NIfTI-1 does not read.
fn second(start: &[u8], little_endian: bool) -> Result<Fields, NiftiError> {
    let b = start.get(..540).ok_or(NiftiError::Truncated { what: "header" })?;
    match &b[4..8] {
        b"n+2\0" => {}
        b"ni2\0" => return Err(NiftiError::Pair),
        _ => return Err(NiftiError::NotNifti),
    }
    let eight = |at: usize| -> [u8; 8] {
        let mut out = [0; 8];
        out.copy_from_slice(&b[at..at + 8]);
        if !little_endian {
            out.reverse();
        }
        out
    };
    let int = |at| i64::from_le_bytes(eight(at));
    let real = |at| f64::from_le_bytes(eight(at));
    let short =
        |at: usize| if little_endian { i16::from_le_bytes([b[at], b[at + 1]]) } else { i16::from_be_bytes([b[at], b[at + 1]]) };
    let word = |at: usize| {
        let four = [b[at], b[at + 1], b[at + 2], b[at + 3]];
        if little_endian { i32::from_le_bytes(four) } else { i32::from_be_bytes(four) }
    };
    let row = |at: usize| [real(at), real(at + 8), real(at + 16), real(at + 24)];
    let mut dim = [0; 8];
    let mut pixdim = [0.0; 8];
    for k in 0..8 {
        dim[k] = int(16 + 8 * k);
        pixdim[k] = real(104 + 8 * k);
    }
    Ok(Fields {
        dim,
        datatype: short(12),
        bitpix: short(14),
        pixdim,
        offset: int(168) as f64,
        header_bytes: 540,
        slope: real(176),
        inter: real(184),
        qform_code: word(344),
        sform_code: word(348),
        quatern: [real(352), real(360), real(368)],
        shift: [real(376), real(384), real(392)],
        srow: [row(400), row(432), row(464)],
        units: word(500),
        little_endian,
    })
}

impl Fields {
    fn check(&self) -> Result<Header, NiftiError> {
        let stored = Stored::from_code(self.datatype)?;
        if self.bitpix != 0 && usize::try_from(self.bitpix).ok() != Some(stored.bytes() * 8) {
            return Err(NiftiError::Bits { code: self.datatype, bits: self.bitpix });
        }
        let size = self.size()?;
        check_size(size)?;
        // The offset is where the data starts; 0 in a single file means right after the header's extension flag.
        let smallest = self.header_bytes;
        let offset = if self.offset == 0.0 { smallest as f64 + 4.0 } else { self.offset };
        if !(offset >= smallest as f64 && offset <= MAX_OFFSET as f64) {
            return Err(NiftiError::Offset(self.offset));
        }
        let scaled = self.slope != 0.0 && self.slope.is_finite();
        let inter = if scaled && self.inter.is_finite() { self.inter } else { 0.0 };
        Ok(Header {
            geometry: Geometry::from_affine(size, self.patient_from_index()?)?,
            stored,
            little_endian: self.little_endian,
            slope: if scaled { self.slope } else { 1.0 },
            inter,
            offset: offset as u64,
            is_oriented: self.sform_code > 0 || self.qform_code > 0,
        })
    }

    fn size(&self) -> Result<[usize; 3], NiftiError> {
        let dims = self.dim[0];
        if !(1..=7).contains(&dims) {
            return Err(NiftiError::NotNifti);
        }
        let dims = dims as usize;
        let axis = |k: usize| if k <= dims { self.dim[k] } else { 1 };
        let frames: i64 = (4..8).map(axis).fold(1, i64::saturating_mul);
        if frames != 1 {
            return Err(NiftiError::Frames(frames));
        }
        let mut size = [0; 3];
        for (k, n) in size.iter_mut().enumerate() {
            *n = usize::try_from(axis(k + 1)).unwrap_or(0);
        }
        Ok(size)
    }

    /// sform when it has a code, else qform, else the pixel sizes; from RAS in the file's unit to LPS in mm.
    fn patient_from_index(&self) -> Result<[[f64; 4]; 3], NiftiError> {
        let mut ras = if self.sform_code > 0 {
            self.srow
        } else if self.qform_code > 0 {
            self.qform()?
        } else {
            let size = [1, 2, 3].map(|k| if self.pixdim[k] == 0.0 { 1.0 } else { self.pixdim[k].abs() });
            [[size[0], 0.0, 0.0, 0.0], [0.0, size[1], 0.0, 0.0], [0.0, 0.0, size[2], 0.0]]
        };
        let mm = match self.units & 7 {
            1 => 1000.0,
            3 => 0.001,
            _ => 1.0,
        };
        for (row, sign) in [(0, -mm), (1, -mm), (2, mm)] {
            for v in &mut ras[row] {
                // Adding zero turns -0 into 0.
                *v = *v * sign + 0.0;
            }
        }
        Ok(ras)
    }

    fn qform(&self) -> Result<[[f64; 4]; 3], NiftiError> {
        let [b, c, d] = self.quatern;
        let rest = 1.0 - (b * b + c * c + d * d);
        // NaN fails this too; the reference implementation allows the same slack for rounding.
        if rest.is_nan() || rest < -1e-4 {
            return Err(NiftiError::Quaternion);
        }
        let (a, b, c, d) = if rest < 1e-7 {
            let norm = (b * b + c * c + d * d).sqrt();
            (0.0, b / norm, c / norm, d / norm)
        } else {
            (rest.sqrt(), b, c, d)
        };
        let r = [
            [a * a + b * b - c * c - d * d, 2.0 * (b * c - a * d), 2.0 * (b * d + a * c)],
            [2.0 * (b * c + a * d), a * a + c * c - b * b - d * d, 2.0 * (c * d - a * b)],
            [2.0 * (b * d - a * c), 2.0 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ];
        let flip = if self.pixdim[0] < 0.0 { -1.0 } else { 1.0 };
        let size = [self.pixdim[1].abs(), self.pixdim[2].abs(), self.pixdim[3].abs() * flip];
        Ok([0, 1, 2].map(|row| [r[row][0] * size[0], r[row][1] * size[1], r[row][2] * size[2], self.shift[row]]))
    }
}

/// A NIfTI-1 header for an image, with the same orientation in sform and qform.
pub(crate) fn compose(geometry: &Geometry, datatype: i16, bitpix: i16) -> Result<[u8; 352], NiftiError> {
    let mut dim = [1_i16; 8];
    dim[0] = 3;
    for k in 0..3 {
        dim[k + 1] = i16::try_from(geometry.size[k]).map_err(|_| NiftiError::Long(geometry.size))?;
    }
    let mut m = geometry.affine();
    for row in m.iter_mut().take(2) {
        for v in row.iter_mut() {
            *v = 0.0 - *v;
        }
    }
    let mut r = [0, 1, 2].map(|row| [0, 1, 2].map(|k| m[row][k] / geometry.spacing_mm[k]));
    let determinant = r[0][0] * (r[1][1] * r[2][2] - r[1][2] * r[2][1]) - r[0][1] * (r[1][0] * r[2][2] - r[1][2] * r[2][0])
        + r[0][2] * (r[1][0] * r[2][1] - r[1][1] * r[2][0]);
    let flip = if determinant < 0.0 { -1.0_f32 } else { 1.0 };
    if determinant < 0.0 {
        for row in &mut r {
            row[2] = -row[2];
        }
    }
    let quatern = quaternion(&r);

    let mut h = [0_u8; 352];
    let mut put = |at: usize, bytes: &[u8]| h[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &348_i32.to_le_bytes());
    put(38, b"r");
    for (k, n) in dim.iter().enumerate() {
        put(40 + 2 * k, &n.to_le_bytes());
    }
    put(70, &datatype.to_le_bytes());
    put(72, &bitpix.to_le_bytes());
    put(76, &flip.to_le_bytes());
    for k in 0..3 {
        put(80 + 4 * k, &(geometry.spacing_mm[k] as f32).to_le_bytes());
    }
    put(108, &352_f32.to_le_bytes());
    put(112, &1_f32.to_le_bytes());
    put(123, &[2]);
    put(252, &1_i16.to_le_bytes());
    put(254, &1_i16.to_le_bytes());
    for k in 0..3 {
        put(256 + 4 * k, &(quatern[k + 1] as f32).to_le_bytes());
        put(268 + 4 * k, &(m[k][3] as f32).to_le_bytes());
        for (col, v) in m[k].iter().enumerate() {
            put(280 + 16 * k + 4 * col, &(*v as f32).to_le_bytes());
        }
    }
    put(344, b"n+1\0");
    Ok(h)
}

/// The unit quaternion (a, b, c, d), a >= 0, of a proper rotation.
fn quaternion(r: &[[f64; 3]; 3]) -> [f64; 4] {
    let trace = r[0][0] + r[1][1] + r[2][2];
    let mut q = if trace > 0.0 {
        let s = 2.0 * (1.0 + trace).sqrt();
        [s / 4.0, (r[2][1] - r[1][2]) / s, (r[0][2] - r[2][0]) / s, (r[1][0] - r[0][1]) / s]
    } else if r[0][0] >= r[1][1] && r[0][0] >= r[2][2] {
        let s = 2.0 * (1.0 + r[0][0] - r[1][1] - r[2][2]).sqrt();
        [(r[2][1] - r[1][2]) / s, s / 4.0, (r[0][1] + r[1][0]) / s, (r[0][2] + r[2][0]) / s]
    } else if r[1][1] >= r[2][2] {
        let s = 2.0 * (1.0 + r[1][1] - r[0][0] - r[2][2]).sqrt();
        [(r[0][2] - r[2][0]) / s, (r[0][1] + r[1][0]) / s, s / 4.0, (r[1][2] + r[2][1]) / s]
    } else {
        let s = 2.0 * (1.0 + r[2][2] - r[0][0] - r[1][1]).sqrt();
        [(r[1][0] - r[0][1]) / s, (r[0][2] + r[2][0]) / s, (r[1][2] + r[2][1]) / s, s / 4.0]
    };
    if q[0] < 0.0 {
        q = q.map(|v| -v);
    }
    q
}
