//! Which body an arch belongs to.
//!
//! The network shows facet joints closed, so the nearest body along the bone is often the wrong one: an inferior articular process lies
//! nearer to the body below. Paths therefore cost more where a CT is dark, which joint spaces are, and more the farther they leave the
//! height where a vertebra's posterior elements lie: pedicles and superior articular processes at the upper half of the body, laminae, inferior
//! articular processes and spinous process below it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::Part;
use super::column::{Column, Place};
use super::lattice::{Lattice, STEP_MM, neighbours};

/// How much dearer a path through a joint space is than one through bone.
const DARK: f64 = 3.0;
/// How far posterior elements lie from where they are expected, mm: a third of the height of a vertebra with its disc.
const SLACK_MM: f64 = 10.0;
/// Beyond it, every so many mm make a path dearer by once its length.
const STRAY_MM: f64 = 4.0;
/// A piece that touches no body belongs to the vertebra it lies behind, if that is within this, mm.
const LOOSE_MM: f64 = 22.0;

/// How far above its body's middle the bone of a vertebra lies, mm: half-way between its lowest and its highest, by how far it lies behind
/// the line through the bodies (rows) and to the side of it (columns). Superior articular processes lie in front of and beside the inferior
/// ones, and higher. Means of the expert's map `sub-verse004` (T11-L5) and of phantoms 1, 3 and 7.
const EXPECTED_MM: [[f64; 9]; 11] = [
    [-2.0, 1.0, 4.0, 7.0, 8.0, 6.0, 5.0, 7.0, 7.0],
    [4.0, 4.0, 8.0, 9.0, 9.0, 8.0, 8.0, 9.0, 11.0],
    [0.0, -6.0, 1.0, 5.0, 9.0, 8.0, 8.0, 9.0, 9.0],
    [-6.0, -9.0, -4.0, 0.0, 3.0, 8.0, 9.0, 9.0, 9.0],
    [-7.0, -11.0, -11.0, -4.0, -1.0, 4.0, 8.0, 7.0, 7.0],
    [-8.0, -8.0, -11.0, -10.0, -6.0, -6.0, 8.0, 7.0, 7.0],
    [-9.0, -9.0, -9.0, -10.0, -6.0, -6.0, 8.0, 7.0, 7.0],
    [-11.0, -10.0, -10.0, -10.0, -6.0, -6.0, -6.0, 7.0, 7.0],
    [-12.0, -12.0, -12.0, -12.0, -12.0, -6.0, -6.0, 7.0, 7.0],
    [-13.0, -13.0, -13.0, -13.0, -13.0, -13.0, -6.0, -6.0, 7.0],
    [-13.0, -13.0, -13.0, -13.0, -13.0, -13.0, -13.0, -6.0, 7.0],
];
/// Where the table's first row lies, mm behind the line, and how far apart its rows and columns are, mm.
const EXPECTED_FROM_MM: f64 = 12.0;
const EXPECTED_STEP_MM: f64 = 6.0;

/// The table's value between its places; its edges count beyond them.
fn expected_mm(behind: f64, aside: f64) -> f64 {
    let between = |at: f64, count: usize| {
        let at = at.clamp(0.0, (count - 1) as f64);
        let low = (at as usize).min(count - 2);
        (low, at - low as f64)
    };
    let (row, down) = between((behind - EXPECTED_FROM_MM) / EXPECTED_STEP_MM, EXPECTED_MM.len());
    let (column, across) = between(aside / EXPECTED_STEP_MM, EXPECTED_MM[0].len());
    let along = |row: usize| EXPECTED_MM[row][column] * (1.0 - across) + EXPECTED_MM[row][column + 1] * across;
    along(row) * (1.0 - down) + along(row + 1) * down
}

/// How far a place is from where vertebra `n` has its bone, mm.
fn deviation_mm(column: &Column, place: Place, n: usize) -> f64 {
    column.stretches.get(n).map_or(f64::INFINITY, |s| {
        // The sacrum's back runs down along all of it.
        if s.sacral && place.along < s.to {
            return 0.0;
        }
        (place.along - 0.5 * (s.from + s.to) - expected_mm(place.behind, place.aside)).abs()
    })
}

/// Gives every voxel of an arch the bone (number of the stretch + 1) that it belongs to; `bones` holds the bodies'.
pub(super) fn assign(lattice: &Lattice, column: &Column, bones: &mut [u16]) {
    let is_arch = |at: usize| lattice.parts[at] == Part::Arch;
    let usual = usual_hu(lattice);
    let around: Vec<([i64; 3], f64)> = neighbours(true)
        .into_iter()
        .map(|by| (by, STEP_MM * ((by[0] * by[0] + by[1] * by[1] + by[2] * by[2]) as f64).sqrt()))
        .collect();
    let mut places: Vec<Option<Place>> = vec![None; bones.len()];
    let mut cost = vec![u32::MAX; bones.len()];
    let mut queue = BinaryHeap::new();
    for at in 0..bones.len() {
        if bones[at] != 0 {
            cost[at] = 0;
            let beside_arch = around.iter().any(|(by, _)| lattice.step(at, *by).is_some_and(is_arch));
            if beside_arch {
                queue.push(Reverse((0_u32, at, bones[at])));
            }
        }
    }
    while let Some(Reverse((so_far, at, bone))) = queue.pop() {
        if so_far > cost[at] || bones[at] != bone {
            continue;
        }
        for (by, mm) in &around {
            let Some(to) = lattice.step(at, *by).filter(|to| is_arch(*to)) else { continue };
            let place = *places[to].get_or_insert_with(|| column.place(lattice.position(to)));
            let dark =
                if lattice.dense { ((0.8 * usual - f64::from(lattice.hu[to])) / (0.6 * usual)).clamp(0.0, 1.0) } else { 0.0 };
            let stray = (deviation_mm(column, place, usize::from(bone) - 1) - SLACK_MM).max(0.0) / STRAY_MM;
            let next = so_far.saturating_add((mm * 1000.0 * (1.0 + DARK * dark + stray)) as u32);
            if next < cost[to] {
                cost[to] = next;
                bones[to] = bone;
                queue.push(Reverse((next, to, bone)));
            }
        }
    }
    let (_, loose) = lattice.pieces(true, |at| is_arch(at) && bones[at] == 0);
    for piece in loose {
        let mut sums = vec![0.0; column.stretches.len()];
        for at in &piece {
            let place = column.place(lattice.position(*at));
            sums.iter_mut().enumerate().for_each(|(n, sum)| *sum += deviation_mm(column, place, n));
        }
        let best = (0..sums.len()).min_by(|a, b| sums[*a].total_cmp(&sums[*b]));
        if let Some(n) = best.filter(|n| sums[*n] <= LOOSE_MM * piece.len() as f64) {
            piece.iter().for_each(|at| bones[*at] = n as u16 + 1);
        }
    }
}

/// The median density of the arches, at least 100 HU.
fn usual_hu(lattice: &Lattice) -> f64 {
    let mut hu: Vec<f32> =
        lattice.hu.iter().zip(&lattice.parts).filter(|(_, part)| **part == Part::Arch).map(|(hu, _)| *hu).collect();
    hu.sort_by(f32::total_cmp);
    hu.get(hu.len() / 2).map_or(100.0, |m| f64::from(*m)).max(100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At a facet joint the process in front and beside reaches up from the vertebra below, the one behind it and nearer the middle down from
    /// the one above; spinous processes hang down; beyond the table its edge counts.
    #[test]
    fn articular_processes_lie_at_different_heights() {
        assert!(expected_mm(30.0, 24.0) - expected_mm(36.0, 12.0) > 8.0);
        assert!(expected_mm(60.0, 0.0) < -8.0);
        assert!((expected_mm(27.0, 3.0) - (0.0 - 6.0 - 6.0 - 9.0) / 4.0).abs() < 1e-9);
        assert_eq!(expected_mm(-5.0, 0.0), EXPECTED_MM[0][0]);
        assert_eq!(expected_mm(500.0, 500.0), EXPECTED_MM[10][8]);
    }
}
