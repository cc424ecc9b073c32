//! Taking a loose piece out of the cut fields, distances around it included.
//!
//! Stored distances reach four voxels beyond a surface, so the air around a piece knows of it. To lift only its voxels would leave a ghost
//! that stops tools; so wherever the piece is nearer than anything that stays, the distance becomes that to what stays.

use std::collections::{BTreeMap, BTreeSet};

use super::brick::{Bits, inside};
use super::{Loose, lives};
use crate::cut::{CutState, Stamp};
use crate::grid::{BRICK, BRICK_VOXELS, BrickIndex};
use crate::patient::Patient;

/// How far around the piece distances may know of it, voxels: four that are stored, one to the surface of an outermost voxel.
const REACH: usize = 5;
/// A brick with that much around it.
const PAD: usize = BRICK + 2 * REACH;
/// Squared distance that stands for more than [`REACH`].
const FAR: u8 = 36;
/// Voxels −5 to 5 about a voxel of a row.
const WINDOW: u32 = (1 << (2 * REACH + 1)) - 1;

/// The stamp that lifts a piece: see [`Loose::stamp`].
pub(super) fn lift(patient: &Patient, cut: &CutState, loose: &Loose) -> Stamp {
    let grid = patient.grid();
    let class = patient.structures()[loose.structure].class;
    let own: BTreeMap<[i32; 3], &Bits> = loose.masks.iter().map(|(brick, mask)| (grid.brick_coords(*brick), &*mask.0)).collect();
    let around =
        |at: &[i32; 3]| (0..27).map(|n| [at[0] + n % 3 - 1, at[1] + n / 3 % 3 - 1, at[2] + n / 9 - 1]).collect::<Vec<_>>();
    let targets: BTreeSet<[i32; 3]> = own.keys().flat_map(around).collect();
    // What stays of the whole class around the targets.
    let mut rest: BTreeMap<[i32; 3], Box<Bits>> = BTreeMap::new();
    for at in targets.iter().flat_map(around).collect::<BTreeSet<_>>() {
        let Some(brick) = grid.brick_at(at) else { continue };
        let mut bits = Box::new([0; BRICK * BRICK]);
        for s in patient.structures().iter().filter(|s| s.class == class && lives(&s.sdf, brick)) {
            let left = inside(s.sdf.brick(brick), cut.field(class).brick(brick));
            bits.iter_mut().zip(left).for_each(|(bits, left)| *bits |= left);
        }
        if let Some(own) = own.get(&at) {
            bits.iter_mut().zip(own.iter()).for_each(|(bits, own)| *bits &= !own);
        }
        rest.insert(at, bits);
    }
    let mut bricks = Vec::new();
    for at in targets {
        let Some(brick) = grid.brick_at(at) else { continue };
        let lives_here = patient.structures().iter().any(|s| s.class == class && lives(&s.sdf, brick));
        let near = Padded::gather(at, |at| own.get(&at).copied());
        if !lives_here || !near.any {
            continue;
        }
        let mut samples = Box::new([127_i8; BRICK_VOXELS]);
        let to_own = near.distances();
        let to_rest = Padded::gather(at, |at| rest.get(&at).map(|bits| &**bits)).distances();
        for ((sample, own), rest) in samples.iter_mut().zip(to_own.iter()).zip(to_rest.iter()) {
            if *own == 0 || (*own < FAR && own < rest) {
                *sample = !steps(*rest);
            }
        }
        if samples.iter().any(|v| *v != 127) {
            bricks.push((brick, samples));
        }
    }
    bricks.sort_unstable_by_key(|(brick, _): &(BrickIndex, _)| *brick);
    Stamp { class, bricks }
}

/// The sample of a voxel at a squared distance from the nearest voxel inside: the surface lies half a voxel before that one.
fn steps(squared: u8) -> i8 {
    if squared >= FAR {
        return 126;
    }
    ((u32::from(squared) * 1_024).isqrt() as i32 - 16).clamp(0, 126) as i8
}

/// A brick's bits with those of [`REACH`] voxels around it: bit 0 of row 0 is voxel (−5, −5, −5).
struct Padded {
    rows: [u32; PAD * PAD],
    any: bool,
}

impl Padded {
    fn gather<'a>(at: [i32; 3], bits: impl Fn([i32; 3]) -> Option<&'a Bits>) -> Self {
        let mut padded = Self { rows: [0; PAD * PAD], any: false };
        let range = |d: i32| match d {
            -1 => BRICK - REACH..BRICK,
            0 => 0..BRICK,
            _ => 0..REACH,
        };
        let place = |v: usize, d: i32| (v as i32 + d * BRICK as i32 + REACH as i32) as usize;
        for n in 0..27 {
            let d = [n % 3 - 1, n / 3 % 3 - 1, n / 9 - 1];
            let Some(bits) = bits([at[0] + d[0], at[1] + d[1], at[2] + d[2]]) else { continue };
            for z in range(d[2]) {
                for y in range(d[1]) {
                    let row = u32::from(bits[y + BRICK * z]);
                    let placed = match d[0] {
                        -1 => row >> (BRICK - REACH),
                        0 => row << REACH,
                        _ => (row & ((1 << REACH) - 1)) << (BRICK + REACH),
                    };
                    padded.rows[place(y, d[1]) + PAD * place(z, d[2])] |= placed;
                    padded.any |= placed != 0;
                }
            }
        }
        padded
    }

    /// Squared distance of each voxel of the brick to the nearest bit, up to [`REACH`] along each axis; [`FAR`] beyond.
    fn distances(&self) -> Box<[u8; BRICK_VOXELS]> {
        let mut out = Box::new([FAR; BRICK_VOXELS]);
        if !self.any {
            return out;
        }
        let mut along_x = vec![FAR; BRICK * PAD * PAD];
        for (row, bits) in self.rows.iter().enumerate().filter(|(_, bits)| **bits != 0) {
            for x in 0..BRICK {
                along_x[x + BRICK * row] = nearest(bits >> x & WINDOW);
            }
        }
        let mut along_y = vec![FAR; BRICK * BRICK * PAD];
        lower(&along_x, &mut along_y, BRICK, PAD);
        lower(&along_y, &mut *out, BRICK * BRICK, 1);
        out.iter_mut().for_each(|v| *v = (*v).min(FAR));
        out
    }
}

/// Squared distance, voxels, from the middle bit of a window to the nearest one that is set.
fn nearest(window: u32) -> u8 {
    let (up, down) = (window >> REACH, window & ((1 << (REACH + 1)) - 1));
    let above = if up == 0 { REACH as u32 + 1 } else { up.trailing_zeros() };
    let below = if down == 0 { REACH as u32 + 1 } else { down.leading_zeros() - (31 - REACH as u32) };
    let distance = above.min(below) as u8;
    distance * distance
}

/// One axis of a squared distance transform: of `PAD` entries `stride` apart the nearest to each of the middle `BRICK`, in `slabs` slabs.
fn lower(from: &[u8], to: &mut [u8], stride: usize, slabs: usize) {
    for slab in 0..slabs {
        for v in 0..BRICK {
            for k in 0..stride {
                let at = |offset: usize| from[k + stride * (v + offset + PAD * slab)];
                let mut best = FAR;
                for offset in 0..=2 * REACH {
                    let d = offset.abs_diff(REACH) as u8;
                    best = best.min(at(offset).saturating_add(d * d));
                }
                to[k + stride * (v + BRICK * slab)] = best;
            }
        }
    }
}
