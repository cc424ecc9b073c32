//! Little-endian reading that names what it was reading when the bytes ran out, and the filters in front of zstd.

use std::io::{ErrorKind, Read};

use spinor_volume::{BRICK, BRICK_VOXELS};

use super::CaseError;

/// Reads fixed-size values from a slice or a decompressor.
pub(super) struct Input<R> {
    source: R,
    what: &'static str,
}

impl<R: Read> Input<R> {
    pub(super) fn new(source: R, what: &'static str) -> Self {
        Self { source, what }
    }

    /// Fills `into`, which its caller has sized within limits.
    pub(super) fn fill(&mut self, into: &mut [u8]) -> Result<(), CaseError> {
        let what = self.what;
        self.source.read_exact(into).map_err(|source| match source.kind() {
            ErrorKind::UnexpectedEof => CaseError::Truncated(what),
            _ => CaseError::Decompress { what, source },
        })
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CaseError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn u8(&mut self) -> Result<u8, CaseError> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16, CaseError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, CaseError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// A `u32` that counts or measures `what` and may not exceed `limit`.
    pub(super) fn count(&mut self, what: &'static str, limit: u64) -> Result<usize, CaseError> {
        let value = u64::from(self.u32()?);
        if value > limit {
            return Err(CaseError::TooLarge { what, value, limit });
        }
        Ok(value as usize)
    }

    pub(super) fn f32(&mut self) -> Result<f32, CaseError> {
        Ok(f32::from_le_bytes(self.array()?))
    }

    pub(super) fn f64(&mut self) -> Result<f64, CaseError> {
        Ok(f64::from_le_bytes(self.array()?))
    }

    pub(super) fn f64s<const N: usize>(&mut self) -> Result<[f64; N], CaseError> {
        let mut values = [0.0; N];
        for value in &mut values {
            *value = self.f64()?;
        }
        Ok(values)
    }

    /// Fails when anything is left.
    pub(super) fn finish(mut self) -> Result<(), CaseError> {
        let mut one = [0];
        match self.source.read(&mut one) {
            Ok(0) => Ok(()),
            Ok(_) => Err(CaseError::Trailing(self.what)),
            Err(source) => Err(CaseError::Decompress { what: self.what, source }),
        }
    }
}

/// Replaces a brick's values by what three nested differences (along x, then y, then z) leave: near zero where it is smooth.
pub(super) fn difference(values: &mut [u8; BRICK_VOXELS]) {
    for stride in [1, BRICK, BRICK * BRICK] {
        for at in (0..BRICK_VOXELS).rev() {
            if at / stride % BRICK > 0 {
                values[at] = values[at].wrapping_sub(values[at - stride]);
            }
        }
    }
}

/// Undoes [`difference`].
pub(super) fn accumulate(values: &mut [u8; BRICK_VOXELS]) {
    for stride in [BRICK * BRICK, BRICK, 1] {
        for at in 0..BRICK_VOXELS {
            if at / stride % BRICK > 0 {
                values[at] = values[at].wrapping_add(values[at - stride]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The filter is lossless for any bytes, and leaves a linear ramp almost empty.
    #[test]
    fn difference_is_undone() {
        let mut state = 1_u32;
        let noise: [u8; BRICK_VOXELS] = std::array::from_fn(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        });
        let mut values = noise;
        difference(&mut values);
        assert_ne!(values, noise);
        accumulate(&mut values);
        assert_eq!(values, noise);

        let mut ramp: [u8; BRICK_VOXELS] = std::array::from_fn(|n| (n % 16 + 2 * (n / 16 % 16) + 3 * (n / 256)) as u8);
        difference(&mut ramp);
        assert!(ramp.iter().filter(|v| **v != 0).count() <= 46);
    }
}
