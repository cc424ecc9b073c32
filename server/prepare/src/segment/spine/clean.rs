//! What does not belong to the spine is dropped, and what a small network commonly mixes up is put right.

use super::lattice::{Lattice, neighbours};
use super::{Part, SpineError};

/// Least canal that makes a spine, mm³: 15 mm of the narrowest.
const LEAST_CANAL_MM3: f64 = 1_500.0;
/// Pieces of canal at least this share of the largest are the spine's too, where discs or metal break it.
const CANAL_SHARE: f64 = 0.15;
/// How far from the canal a vertebra reaches, mm: tip of a spinous process, front of a body, tip of a transverse process.
const REACH_MM: f64 = 62.0;
/// Least piece of bone, mm³: a body has 20,000 and more.
const LEAST_BONE_MM3: f64 = 1_200.0;
/// A disc has more, mm³; smaller ones within a body are marrow.
const LEAST_DISC_MM3: f64 = 1_500.0;
/// A sacrum has more, mm³; smaller ones are part of a vertebra.
const LEAST_SACRUM_MM3: f64 = 4_000.0;
/// An island takes on what makes up at least this share of its neighbours.
const ISLAND_SHARE: f64 = 0.6;

/// Keeps the parts that belong to the spine along the largest canal.
///
/// # Errors
/// When there is no canal to go by.
pub(super) fn clean(lattice: &mut Lattice) -> Result<(), SpineError> {
    keep_main_canal(lattice)?;
    let canal = lattice.nearest(|at| lattice.parts[at] == Part::Canal).distances_mm();
    for (part, distance) in lattice.parts.iter_mut().zip(canal) {
        if f64::from(distance) > REACH_MM {
            *part = Part::Background;
        }
    }
    absorb(lattice, Part::Sacrum, LEAST_SACRUM_MM3, &[Part::Body, Part::Arch]);
    absorb(lattice, Part::Disc, LEAST_DISC_MM3, &[Part::Body]);
    let (_, pieces) = lattice.pieces(false, |at| lattice.parts[at].is_bone());
    for piece in pieces.into_iter().filter(|piece| Lattice::mm3(piece.len()) < LEAST_BONE_MM3) {
        piece.into_iter().for_each(|at| lattice.parts[at] = Part::Background);
    }
    Ok(())
}

fn keep_main_canal(lattice: &mut Lattice) -> Result<(), SpineError> {
    let (_, pieces) = lattice.pieces(true, |at| lattice.parts[at] == Part::Canal);
    let most = pieces.iter().map(Vec::len).max().unwrap_or(0);
    if Lattice::mm3(most) < LEAST_CANAL_MM3 {
        return Err(SpineError::NoCanal { found_cm3: Lattice::mm3(most) / 1000.0 });
    }
    let belongs = |n: usize| n as f64 >= CANAL_SHARE * most as f64 && Lattice::mm3(n) >= LEAST_CANAL_MM3;
    for piece in pieces.into_iter().filter(|piece| !belongs(piece.len())) {
        piece.into_iter().for_each(|at| lattice.parts[at] = Part::Background);
    }
    Ok(())
}

/// Small pieces of a part become what surrounds them if that is one of `hosts`, and nothing otherwise.
fn absorb(lattice: &mut Lattice, part: Part, least_mm3: f64, hosts: &[Part]) {
    let (_, pieces) = lattice.pieces(true, |at| lattice.parts[at] == part);
    let around = neighbours(false);
    for piece in pieces.into_iter().filter(|piece| Lattice::mm3(piece.len()) < least_mm3) {
        let mut counts = [0_usize; 6];
        for at in &piece {
            for to in around.iter().filter_map(|by| lattice.step(*at, *by)).filter(|to| lattice.parts[*to] != part) {
                counts[lattice.parts[to] as usize] += 1;
            }
        }
        let all: usize = counts.iter().sum();
        let in_hosts: usize = hosts.iter().map(|host| counts[*host as usize]).sum();
        let best = hosts.iter().copied().max_by_key(|host| counts[*host as usize]);
        let to = match best {
            Some(best) if in_hosts as f64 >= ISLAND_SHARE * all as f64 => best,
            _ => Part::Background,
        };
        piece.into_iter().for_each(|at| lattice.parts[at] = to);
    }
}
