//! Signs of samples as bits.

/// A bit for every negative byte of eight.
#[inline(always)]
pub(crate) fn negative(eight: &[i8; 8]) -> u32 {
    let signs = u64::from_le_bytes(eight.map(|v| v as u8)) >> 7 & 0x0101_0101_0101_0101;
    // The product gathers the lowest bits of the eight bytes in the highest byte.
    (signs.wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32
}

/// For each of the lowest bits of a mask a byte: all ones where the bit is set.
#[inline(always)]
pub(crate) fn bytes<const N: usize>(mask: u32) -> [u8; N] {
    let mut bytes = [0; N];
    for (n, eight) in bytes.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        // The mask's eight bits in each byte, of each byte one, carried to the byte's highest bit.
        let bits = u64::from(mask >> (8 * n) & 0xff).wrapping_mul(0x0101_0101_0101_0101) & 0x8040_2010_0804_0201;
        let ones = (bits + 0x7f7f_7f7f_7f7f_7f7f) >> 7 & 0x0101_0101_0101_0101;
        *eight = (ones * 0xff).to_le_bytes();
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that bytes follow bits and bits follow bytes, for every pattern of eight in every place.
    #[test]
    fn bits_and_bytes_are_inverse() {
        for pattern in 0..256_u32 {
            for place in 0..4 {
                let spread: [u8; 32] = bytes(pattern << (8 * place));
                for (n, byte) in spread.into_iter().enumerate() {
                    assert_eq!(byte, if pattern << (8 * place) >> n & 1 == 1 { 255 } else { 0 });
                }
                let eight = spread.as_chunks::<8>().0[place].map(|v| v as i8);
                assert_eq!(negative(&eight), pattern);
            }
        }
    }
}
