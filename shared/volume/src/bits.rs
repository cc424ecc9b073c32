//! Signs of samples as bits.

/// A bit for every negative byte of eight.
#[inline(always)]
pub(crate) fn negative(eight: &[i8; 8]) -> u32 {
    let signs = u64::from_le_bytes(eight.map(|v| v as u8)) >> 7 & 0x0101_0101_0101_0101;
    // The product gathers the lowest bits of the eight bytes in the highest byte.
    (signs.wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32
}
