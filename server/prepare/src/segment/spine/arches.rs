//! Which body an arch belongs to.
//!
//! The network shows facet joints closed, so the nearest body along the bone is often the wrong one: an inferior articular process lies
//! nearer to the body below. Paths therefore cost more where a CT is dark, which joint spaces are, and more the farther they leave the
//! height where a vertebra's posterior elements lie: pedicles at the upper half of the body, laminae and spinous process below it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::Part;
use super::column::{Column, Place};
use super::lattice::{Lattice, STEP_MM, neighbours};

/// How much dearer a path through a joint space is than one through bone.
const DARK: f64 = 3.0;
/// How far posterior elements lie from where they are expected, mm: half the height of a vertebra with its disc.
const SLACK_MM: f64 = 16.0;
/// Beyond it, every so many mm make a path dearer by once its length.
const STRAY_MM: f64 = 6.0;
/// A piece that touches no body belongs to the vertebra it lies behind, if that is within this, mm.
const LOOSE_MM: f64 = 22.0;

/// How far above its body's middle a vertebra's bone is expected to lie, mm, by how far it lies behind the line through the bodies (K).
fn expected_mm(behind: f64) -> f64 {
    const AT: [(f64, f64); 4] = [(18.0, 3.0), (26.0, 4.0), (40.0, -10.0), (60.0, -14.0)];
    let mut last = AT[0];
    if behind <= last.0 {
        return last.1;
    }
    for next in AT {
        if behind <= next.0 {
            let part = if next.0 > last.0 { (behind - last.0) / (next.0 - last.0) } else { 0.0 };
            return last.1 + part * (next.1 - last.1);
        }
        last = next;
    }
    last.1
}

/// How far a place is from where vertebra `n` has its bone, mm.
fn deviation_mm(column: &Column, place: Place, n: usize) -> f64 {
    column.stretches.get(n).map_or(f64::INFINITY, |s| {
        // The sacrum's back runs down along all of it.
        if s.sacral && place.along < s.to {
            return 0.0;
        }
        (place.along - 0.5 * (s.from + s.to) - expected_mm(place.behind)).abs()
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
