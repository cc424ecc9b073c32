//! Proves that the alarm's distance is the distance to the structure's surface, near and far, inside and outside.
#![allow(clippy::unwrap_used, reason = "a test stops at the first thing that is not as expected")]

mod common;

use common::*;
use spinor_volume::{BrickMesh, Grid, Mesher, ProximityField, SparseField, mesh::field_bricks};

/// All triangles of a field's surface, mm.
fn triangles(grid: &Grid, field: &SparseField) -> Vec<[[f64; 3]; 3]> {
    let (mut mesher, mut mesh, mut all) = (Mesher::new(), BrickMesh::default(), Vec::new());
    for brick in field_bricks(grid, field, None) {
        mesher.mesh_field(grid, field, None, brick, &mut mesh);
        let at: Vec<_> = mesh.positions.iter().map(|p| BrickMesh::position_mm(grid, brick, *p)).collect();
        all.extend(mesh.triangles.iter().map(|t| t.map(|v| at[v as usize])));
    }
    all
}

/// Distance to a triangle by a dense search over it: slow, and independent of the code it checks.
fn brute(p: [f64; 3], triangles: &[[[f64; 3]; 3]]) -> f64 {
    let mut best = f64::INFINITY;
    for [a, b, c] in triangles {
        if length(minus(p, *a)) > best + 1.2 {
            continue;
        }
        for i in 0..=8 {
            for j in 0..=8 - i {
                let (u, v) = (f64::from(i) / 8.0, f64::from(j) / 8.0);
                let q: [f64; 3] = std::array::from_fn(|k| a[k] + (b[k] - a[k]) * u + (c[k] - a[k]) * v);
                best = best.min(length(minus(p, q)));
            }
        }
    }
    best
}

/// Within 0.1 mm of a brute-force search over the mesh, for a curved sac and a thin root, at random positions within reach and at
/// the hardest ones on the axis; none beyond the reach outside; never none inside.
#[test]
fn distances_match_brute_force_over_the_mesh() {
    let grid = Grid::new([-14.0, -14.0, -14.0], 0.4, [5, 5, 5]).unwrap();
    let bend = |p: [f64; 3]| [p[0] - 0.02 * p[2] * p[2], p[1] + 0.3 * (p[2] * 0.7).abs(), p[2]];
    let shapes: [(SparseField, f64); 2] = [
        (SparseField::sampled(&grid, |p| (length([bend(p)[0], bend(p)[1] - 2.0, 0.0]) - 6.0) * 0.9), 6.0),
        (SparseField::sampled(&grid, |p| to_segment(p, [-5.0, -6.0, -30.0], [7.0, 6.0, 40.0]) - 0.9), 4.0),
    ];
    let mut random = Random(5);
    for (sdf, reach_mm) in shapes {
        let proximity = ProximityField::build(&grid, &sdf, reach_mm);
        let mesh = triangles(&grid, &sdf);
        let (mut checked, mut inside, mut beyond, mut worst) = (0, 0, 0, 0.0_f64);
        for n in 0..400 {
            let mut at: [f64; 3] = std::array::from_fn(|_| f64::from(random.below(28_000)) / 1000.0 - 14.0);
            if n % 4 == 0 {
                // Along the middle of the sac.
                at = [0.02 * at[2] * at[2], 2.0 - 0.3 * (at[2] * 0.7).abs(), at[2]];
            }
            let wanted = brute(at, &mesh);
            let sign = spinor_volume::query::sdf_mm(&grid, &sdf, at);
            match proximity.distance_mm(&grid, at) {
                Some(d) => {
                    if wanted > reach_mm {
                        assert!(sign < 0.0 && d == -reach_mm || wanted - reach_mm < 0.1, "{at:?}: {d} for {wanted}");
                        beyond += 1;
                        continue;
                    }
                    worst = worst.max((d.abs() - wanted).abs());
                    assert!((d < 0.0) == (sign < 0.0) || wanted < 0.02);
                    inside += usize::from(d < 0.0);
                    checked += 1;
                }
                None => {
                    assert!(wanted > reach_mm - 0.1 && sign > 0.0, "{at:?}: silent at {wanted} mm");
                    beyond += 1;
                }
            }
        }
        assert!(checked > 100 && beyond > 10 && (inside > 10 || reach_mm < 5.0), "{checked} {inside} {beyond}");
        assert!(worst <= 0.1, "{worst} mm off");
    }
}

/// A position outside the grid is measured to the surface inside it.
#[test]
fn positions_outside_the_grid_are_measured() {
    let grid = Grid::new([0.0; 3], 0.4, [3, 3, 3]).unwrap();
    let sdf = SparseField::sampled(&grid, |p| length(minus(p, [9.0, 9.0, 15.0])) - 3.0);
    let proximity = ProximityField::build(&grid, &sdf, 10.0);
    let d = proximity.distance_mm(&grid, [9.0, 10.0, 25.0]).unwrap();
    assert!((d - (101_f64.sqrt() - 3.0)).abs() < 0.05, "{d}");
    assert_eq!(proximity.distance_mm(&grid, [9.0, 9.0, 29.0]), None);
}

/// On a sphere the distance is the analytic one to 0.03 mm, and a deep position is never silent.
#[test]
fn a_sphere_is_measured_to_its_surface() {
    let grid = Grid::new([0.0; 3], 0.4, [4, 4, 4]).unwrap();
    let centre = [12.9, 12.6, 13.1];
    let sdf = SparseField::sampled(&grid, |p| length(minus(p, centre)) - 7.0);
    let proximity = ProximityField::build(&grid, &sdf, 5.0);
    let mut random = Random(9);
    for _ in 0..5000 {
        let at: [f64; 3] = std::array::from_fn(|_| f64::from(random.below(25_000)) / 1000.0);
        let wanted = length(minus(at, centre)) - 7.0;
        match proximity.distance_mm(&grid, at) {
            Some(d) if wanted > -5.0 => assert!((d - wanted).abs() < 0.03, "{at:?}: {d} for {wanted}"),
            Some(d) => assert!((-5.0..-4.97).contains(&d)),
            None => assert!(wanted > 4.97, "{at:?}: silent at {wanted}"),
        }
    }
}

/// A distance that is not worth measuring is told too small by little, never too large and not under the limit, and one that is, exactly; and no
/// place is nearer to the vertex told than to the surface.
#[test]
fn a_distance_is_exact_where_it_is_worth_measuring() {
    let grid = Grid::new([-14.0, -14.0, -14.0], 0.4, [5, 5, 5]).unwrap();
    let (a, b) = ([-3.0, -2.0, -8.0], [4.0, 3.0, 9.0]);
    let sdf = SparseField::sampled(&grid, |p| to_segment(p, a, b) - 3.0);
    let proximity = ProximityField::build(&grid, &sdf, 6.0);
    let mut random = Random(11);
    let (mut rough, mut exact) = (0, 0);
    for n in 0..20_000 {
        let at: [f64; 3] = std::array::from_fn(|_| f64::from(random.below(32_000)) / 1000.0 - 16.0);
        let worth = [f64::NEG_INFINITY, -2.0, 0.5, 3.0][n % 4];
        let (told, measured) = (proximity.nearest_mm(&grid, at, worth), proximity.distance_mm(&grid, at));
        // At the very end of the reach the lesser may still be within it.
        let Some(measured) = measured else {
            assert!(told.is_none_or(|(told, _)| told > 5.8), "{at:?}: {told:?}");
            continue;
        };
        let (told, on) = told.unwrap();
        assert!(told <= measured && told > measured - 0.3, "{at:?}: {told} for {measured}");
        assert!(told == measured || told >= worth, "{at:?}: {told} under {worth} for {measured}");
        assert!(length(minus(at, on.unwrap())) >= measured.abs() - 1e-9, "{at:?}");
        rough += u32::from(told != measured);
        exact += u32::from(measured < worth && told == measured);
    }
    assert!(rough > 200 && exact > 200, "{rough} rough, {exact} exact");
}

/// Around the middle line of a round sac, which is about as far from all sides, the distance is the analytic one to 0.05 mm: a walk that the
/// surface's roughness ends on the wrong side would be up to twice the way from the middle line too deep.
#[test]
fn the_middle_of_a_sac_is_measured_to_its_nearest_side() {
    let grid = Grid::new([-10.0, -10.0, -18.0], 0.4, [4, 4, 6]).unwrap();
    let (a, b) = ([0.0, 0.0, -9.0], [0.5, 1.0, 9.0]);
    let sdf = SparseField::sampled(&grid, |p| to_segment(p, a, b) - 6.0);
    let proximity = ProximityField::build(&grid, &sdf, 12.0);
    let mut random = Random(3);
    let mut worst = 0.0_f64;
    for _ in 0..20_000 {
        let along = f64::from(random.below(1_000)) / 1_000.0;
        let at: [f64; 3] = std::array::from_fn(|k| a[k] + (b[k] - a[k]) * along + f64::from(random.below(1_600) - 800) / 1_000.0);
        let wanted = to_segment(at, a, b) - 6.0;
        worst = worst.max((proximity.distance_mm(&grid, at).unwrap() - wanted).abs());
    }
    assert!(worst < 0.05, "{worst} mm off");
}
