//! Signed distances of a cut's geometry along one row of a brick.
//!
//! Per voxel: the distance to the geometry in 1/128 voxel is the truncated square root of an integer below 2²⁴, which an `f32` holds
//! exactly and whose square root IEEE 754 rounds correctly on every machine. No fused operation, no library function is involved.

use crate::grid::BRICK;

/// Signed distances of one row of a brick, 1/32 voxel, clamped to ±127.
pub(super) type Row = [i8; BRICK];

/// How far a clamped distance reaches, 1/64 voxel.
pub(super) const BAND: i32 = 254;

/// Offsets are clamped to this per axis, so that the sum of three squares stays below 2²².
const FAR: i32 = 1_100;

/// Distance in 1/32 voxel from a squared length in (1/64 voxel)² and a radius in 1/64 voxel.
#[inline(always)]
fn distance(squared: i32, inside: i32, radius: i32) -> i8 {
    let length = ((squared << 2) as f32).sqrt() as i32; // 1/128 voxel
    ((length + (inside << 1) - (radius << 1)) >> 2).clamp(-127, 127) as i8
}

/// A capsule's distances along the row that starts at `from` (1/64 voxel).
#[inline(always)]
pub(super) fn capsule_row(row: &mut Row, from: [i32; 3], a: [i32; 3], b: [i32; 3], radius: i32) {
    let ab = [b[0] - a[0], b[1] - a[1], b[2] - a[2]];
    let length2 = ab[0] * ab[0] + ab[1] * ab[1] + ab[2] * ab[2];
    let inverse = if length2 == 0 { 0 } else { (1 << 30) / length2 };
    let (dy, dz) = (from[1] - a[1], from[2] - a[2]);
    let base = dy * ab[1] + dz * ab[2];
    for (i, value) in row.iter_mut().enumerate() {
        let dx = from[0] + ((i as i32) << 6) - a[0];
        let along = (dx * ab[0] + base).clamp(0, length2);
        let t = (along * inverse) >> 18; // Q12
        let ex = (dx - ((ab[0] * t) >> 12)).clamp(-FAR, FAR);
        let ey = (dy - ((ab[1] * t) >> 12)).clamp(-FAR, FAR);
        let ez = (dz - ((ab[2] * t) >> 12)).clamp(-FAR, FAR);
        *value = distance(ex * ex + ey * ey + ez * ez, 0, radius);
    }
}

/// A rounded box's distances along the row that starts at `from` (1/64 voxel).
#[inline(always)]
pub(super) fn box_row(row: &mut Row, from: [i32; 3], centre: [i32; 3], half: [i32; 3], rows_q14: &[[i32; 3]; 3], rounding: i32) {
    let (dy, dz) = (from[1] - centre[1], from[2] - centre[2]);
    for (i, value) in row.iter_mut().enumerate() {
        let dx = from[0] + ((i as i32) << 6) - centre[0];
        let mut beyond = [0; 3];
        for k in 0..3 {
            let r = rows_q14[k];
            beyond[k] = ((r[0] * dx + r[1] * dy + r[2] * dz) >> 14).abs() - half[k];
        }
        let out = beyond.map(|v| v.clamp(0, FAR));
        let inside = beyond[0].max(beyond[1]).max(beyond[2]).min(0);
        *value = distance(out[0] * out[0] + out[1] * out[1] + out[2] * out[2], inside, rounding);
    }
}
