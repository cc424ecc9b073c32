//! The patient section: grid, structures and density in one zstd stream, small enough to send to whoever joins.

use std::io::Read;

use spinor_volume::field::BrickSamples;
use spinor_volume::{
    BRICK_VOXELS, BrickIndex, DensityField, Grid, Label, Patient, Source, SparseField, Structure, TissueClass,
    patient::MAX_STRUCTURES,
};

use super::CaseError;
use super::bytes::{Input, accumulate, difference};

/// What errors call this section.
const WHAT: &str = "patient section";
/// Most brick slots over all structures (64 MiB of them): a whole spine with every label at 0.25 mm stays below.
const MAX_SLOTS: u64 = 1 << 24;
/// Most stored bricks over all fields (512 MiB of samples).
const MAX_STORED: u64 = 1 << 17;
/// Largest window a stream may ask the decompressor for: 2²⁵ bytes.
const WINDOW_LOG: u32 = 25;
/// Compression level: the section is written once and sent often.
const LEVEL: i32 = 9;

/// The compressed bytes of a patient: what a case stores and a joining client receives.
///
/// Inside the zstd stream, little-endian: grid (origin 3 × f64 mm, spacing f64 mm, bricks 3 × u32); u32 number of structures; each: u16
/// label, u8 class, u8 source, f32 uncertainty mm, f64 volume mm³, field; then the density: u32 count, count × u32 brick, count × 4096
/// bytes. A field is u32 inside count, brick numbers; u32 stored count, brick numbers; count × 4096 samples. Brick numbers rise.
/// The 4096 bytes are stored as nested differences along x, y, z.
pub fn encode_patient(patient: &Patient) -> Vec<u8> {
    let mut raw = Vec::new();
    let grid = patient.grid();
    grid.origin_mm().iter().chain([&grid.spacing_mm()]).for_each(|v| raw.extend(v.to_le_bytes()));
    grid.bricks().iter().for_each(|n| raw.extend(n.to_le_bytes()));
    raw.extend((patient.structures().len() as u32).to_le_bytes());
    for s in patient.structures() {
        raw.extend(s.label.0.to_le_bytes());
        raw.extend([s.class as u8, s.source as u8]);
        raw.extend(s.uncertainty_mm.to_le_bytes());
        raw.extend(s.volume_mm3.to_le_bytes());
        write_numbers(&mut raw, s.sdf.inside());
        write_numbers(&mut raw, s.sdf.stored().map(|(brick, _)| brick));
        for (_, samples) in s.sdf.stored() {
            write_brick(&mut raw, samples.map(|v| v as u8));
        }
    }
    write_numbers(&mut raw, patient.density().stored().map(|(brick, _)| brick));
    for (_, densities) in patient.density().stored() {
        write_brick(&mut raw, *densities);
    }
    // Compressing memory into memory fails only for lack of memory.
    zstd::bulk::compress(&raw, LEVEL).unwrap_or_default()
}

fn write_numbers(raw: &mut Vec<u8>, bricks: impl Iterator<Item = BrickIndex>) {
    let at = raw.len();
    raw.extend([0; 4]);
    let mut count = 0_u32;
    for brick in bricks {
        raw.extend(brick.0.to_le_bytes());
        count += 1;
    }
    raw[at..at + 4].copy_from_slice(&count.to_le_bytes());
}

fn write_brick(raw: &mut Vec<u8>, mut values: [u8; BRICK_VOXELS]) {
    difference(&mut values);
    raw.extend_from_slice(&values);
}

/// A patient from the bytes of [`encode_patient`], whoever they come from.
///
/// Memory grows with what the stream really holds, up to fixed limits (512 MiB of samples).
///
/// # Errors
/// Bytes that do not decompress, end early or go on; counts above their limits; values that cannot be.
pub fn decode_patient(bytes: &[u8]) -> Result<Patient, CaseError> {
    let wrap = |source| CaseError::Decompress { what: WHAT, source };
    let mut stream = zstd::stream::read::Decoder::with_buffer(bytes).map_err(wrap)?;
    stream.window_log_max(WINDOW_LOG).map_err(wrap)?;
    let mut input = Input::new(stream, WHAT);
    let origin_mm = input.f64s()?;
    let spacing_mm = input.f64()?;
    let grid = Grid::new(origin_mm, spacing_mm, [input.u32()?, input.u32()?, input.u32()?])?;
    let count = input.count("number of structures", MAX_STRUCTURES as u64)?;
    let slots = count as u64 * grid.brick_count() as u64;
    if slots > MAX_SLOTS {
        return Err(CaseError::TooLarge { what: "grid times structures", value: slots, limit: MAX_SLOTS });
    }
    let mut stored_left = MAX_STORED;
    let mut structures = Vec::with_capacity(count);
    for _ in 0..count {
        let label = Label(input.u16()?);
        let class = TissueClass::from_number(input.u8()?).ok_or(CaseError::Malformed("tissue class"))?;
        let source = Source::from_number(input.u8()?).ok_or(CaseError::Malformed("source of a structure"))?;
        let uncertainty_mm = input.f32()?;
        let volume_mm3 = input.f64()?;
        if !(0.0..=100.0).contains(&uncertainty_mm) {
            return Err(CaseError::Malformed("uncertainty of a structure"));
        }
        if !(0.0..=1e8).contains(&volume_mm3) {
            return Err(CaseError::Malformed("volume of a structure"));
        }
        let sdf = read_field(&mut input, &grid, &mut stored_left)?;
        structures.push(Structure { label, class, source, uncertainty_mm, volume_mm3, sdf });
    }
    let mut density = DensityField::default();
    for brick in read_numbers(&mut input, &grid, &mut stored_left)? {
        let mut densities = Box::new([0; BRICK_VOXELS]);
        input.fill(&mut *densities)?;
        accumulate(&mut densities);
        density.insert(brick, densities);
    }
    input.finish()?;
    Ok(Patient::new(grid, structures, density)?)
}

fn read_field<R: Read>(input: &mut Input<R>, grid: &Grid, stored_left: &mut u64) -> Result<SparseField, CaseError> {
    let mut field = SparseField::outside(grid);
    let inside = read_numbers(input, grid, &mut (grid.brick_count() as u64))?;
    inside.iter().for_each(|brick| field.set_inside(*brick));
    let stored = read_numbers(input, grid, stored_left)?;
    if stored.iter().any(|brick| inside.binary_search(brick).is_ok()) {
        return Err(CaseError::Malformed("brick, which is inside and stored at once,"));
    }
    let mut bytes = [0; BRICK_VOXELS];
    for brick in stored {
        input.fill(&mut bytes)?;
        accumulate(&mut bytes);
        let samples: BrickSamples = bytes.map(|v| v as i8);
        if samples.contains(&i8::MIN) {
            return Err(CaseError::Malformed("signed distance"));
        }
        *field.brick_mut(brick).ok_or(CaseError::Malformed("brick number"))? = samples;
    }
    Ok(field)
}

/// Rising brick numbers of `grid`, at most `left` of them, which are then taken off `left`.
fn read_numbers<R: Read>(input: &mut Input<R>, grid: &Grid, left: &mut u64) -> Result<Vec<BrickIndex>, CaseError> {
    let count = input.count("number of bricks", (*left).min(grid.brick_count() as u64))?;
    *left -= count as u64;
    let mut numbers: Vec<BrickIndex> = Vec::new();
    for _ in 0..count {
        let brick = BrickIndex(input.u32()?);
        if brick.0 as usize >= grid.brick_count() || numbers.last().is_some_and(|last| *last >= brick) {
            return Err(CaseError::Malformed("brick number"));
        }
        numbers.push(brick);
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::test_cases::patient;

    /// What a joining client decodes from the section alone is what the server has.
    #[test]
    fn a_patient_survives_the_section() {
        let before = patient(7);
        assert_eq!(decode_patient(&encode_patient(&before)).unwrap(), before);
    }

    fn stream(raw: &[u8]) -> Vec<u8> {
        zstd::bulk::compress(raw, 3).unwrap()
    }

    fn raw_grid(bricks: u32, structures: u32) -> Vec<u8> {
        let mut raw: Vec<u8> = [0.0, 0.0, 0.0, 0.4_f64].iter().flat_map(|v| v.to_le_bytes()).collect();
        raw.extend([bricks; 3].iter().flat_map(|v| v.to_le_bytes()));
        raw.extend(structures.to_le_bytes());
        raw
    }

    /// Counts that would take much memory are refused before it is taken, however small the bytes that ask for it.
    #[test]
    fn greedy_counts_are_refused() {
        let many = decode_patient(&stream(&raw_grid(2, 257))).unwrap_err();
        assert!(matches!(many, CaseError::TooLarge { what: "number of structures", .. }), "{many}");
        let wide = decode_patient(&stream(&raw_grid(96, 200))).unwrap_err();
        assert!(matches!(wide, CaseError::TooLarge { what: "grid times structures", .. }), "{wide}");
        let mut raw = raw_grid(2, 1);
        raw.extend([41, 0, 0, 0]);
        raw.extend([0; 12]);
        raw.extend(9_u32.to_le_bytes());
        let bricks = decode_patient(&stream(&raw)).unwrap_err();
        assert!(matches!(bricks, CaseError::TooLarge { what: "number of bricks", value: 9, limit: 8 }), "{bricks}");
        assert!(matches!(decode_patient(&stream(&raw_grid(97, 1))), Err(CaseError::Grid(_))));
        assert!(matches!(decode_patient(&stream(&[])), Err(CaseError::Truncated(_))));
        assert!(decode_patient(b"SPIN").is_err());
    }

    /// Bytes behind the last brick, and a sample that no field can hold, are refused.
    #[test]
    fn bytes_that_do_not_belong_are_refused() {
        let mut raw = zstd::bulk::decompress(&encode_patient(&patient(3)), 64 << 20).unwrap();
        raw.push(0);
        assert!(matches!(decode_patient(&stream(&raw)), Err(CaseError::Trailing(_))));

        let mut raw = raw_grid(1, 1);
        raw.extend([41, 0, 0, 0]);
        raw.extend([0; 12]);
        raw.extend([0_u32, 1, 0].iter().flat_map(|v| v.to_le_bytes()));
        raw.extend([0x80; BRICK_VOXELS]);
        raw.extend(0_u32.to_le_bytes());
        assert!(matches!(decode_patient(&stream(&raw)), Err(CaseError::Malformed("signed distance"))));
    }
}
