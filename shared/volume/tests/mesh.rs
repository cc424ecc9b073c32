//! Proves that the bricks' meshes join to closed surfaces, lie where the tissue ends, and follow every cut.
#![allow(clippy::unwrap_used, reason = "a test stops at the first thing that is not as expected")]
#![allow(clippy::disallowed_methods, reason = "tests compare with analytic truth")]

mod common;

use std::collections::BTreeMap;

use common::*;
use spinor_volume::{
    BrickIndex, BrickMesh, CutState, DensityField, Grid, Label, Mesher, Patient, TissueClass, query, surface_bricks,
};

/// Vertices in 1/256 voxel of the grid, and triangles of those, of all bricks of a structure.
fn weld(patient: &Patient, cut: Option<&CutState>, structure: usize) -> (Vec<[i64; 3]>, Vec<[usize; 3]>) {
    let mut mesher = Mesher::new();
    let mut mesh = BrickMesh::default();
    let (mut places, mut vertices, mut triangles) = (BTreeMap::new(), Vec::new(), Vec::new());
    for brick in surface_bricks(patient, cut, structure) {
        mesher.mesh(patient, cut, structure, brick, &mut mesh);
        assert!(!mesh.is_empty(), "{brick:?} is listed but has no surface");
        let first = patient.grid().brick_coords(brick).map(|v| i64::from(v) * 16 * 256);
        let ids: Vec<usize> = mesh
            .positions
            .iter()
            .map(|p| {
                let at: [i64; 3] = std::array::from_fn(|k| first[k] + i64::from(p[k]));
                *places.entry(at).or_insert_with(|| {
                    vertices.push(at);
                    vertices.len() - 1
                })
            })
            .collect();
        triangles.extend(mesh.triangles.iter().map(|t| t.map(|v| ids[v as usize])));
    }
    (vertices, triangles)
}

/// The number of directed edges whose opposite is missing: 0 for a closed, oriented surface.
fn unbalanced(triangles: &[[usize; 3]]) -> usize {
    let mut edges: BTreeMap<(usize, usize), i32> = BTreeMap::new();
    for [a, b, c] in triangles {
        for (from, to) in [(a, b), (b, c), (c, a)] {
            *edges.entry((*from, *to)).or_default() += 1;
            *edges.entry((*to, *from)).or_default() -= 1;
        }
    }
    edges.values().filter(|n| **n != 0).count()
}

/// Volume that a closed mesh encloses, mm³.
fn volume_mm3(grid: &Grid, vertices: &[[i64; 3]], triangles: &[[usize; 3]]) -> f64 {
    let six: i128 = triangles
        .iter()
        .map(|t| {
            let [a, b, c] = t.map(|v| vertices[v].map(i128::from));
            a[0] * (b[1] * c[2] - b[2] * c[1]) + a[1] * (b[2] * c[0] - b[0] * c[2]) + a[2] * (b[0] * c[1] - b[1] * c[0])
        })
        .sum();
    six as f64 / 6.0 / 256_f64.powi(3) * grid.voxel_mm3()
}

/// Every structure is closed across bricks, at the grid's border too, before and after 300 mixed cuts, and no listed brick is missed.
#[test]
fn cut_structures_are_closed_across_bricks() {
    let patient = spine();
    let mut cut = CutState::new(patient.grid());
    for op in script(7, 300) {
        cut.apply(patient, &op);
    }
    for (structure, s) in patient.structures().iter().enumerate() {
        for cut in [None, Some(&cut)] {
            let (vertices, triangles) = weld(patient, cut, structure);
            assert!(triangles.len() > 500, "{}: {} triangles", s.label, triangles.len());
            assert_eq!(unbalanced(&triangles), 0, "{} is open", s.label);
            let enclosed = volume_mm3(patient.grid(), &vertices, &triangles);
            let wanted = match cut {
                None => s.volume_mm3,
                Some(cut) => query::remaining_volume_mm3(patient, cut, structure),
            };
            assert!((enclosed / wanted - 1.0).abs() < 0.06, "{}: {enclosed} mm³ enclosed, {wanted} mm³ counted", s.label);
            let listed = surface_bricks(patient, cut, structure);
            let (mut mesher, mut mesh) = (Mesher::new(), BrickMesh::default());
            for brick in (0..patient.grid().brick_count() as u32).map(BrickIndex) {
                mesher.mesh(patient, cut, structure, brick, &mut mesh);
                assert_eq!(mesh.is_empty(), !listed.contains(&brick), "{} {brick:?}", s.label);
            }
        }
    }
}

/// Meshing only the bricks that each cut names gives, brick for brick, what meshing everything anew gives.
#[test]
fn named_bricks_are_all_that_changes() {
    let patient = spine();
    let mut cut = CutState::new(patient.grid());
    let mut mesher = Mesher::new();
    let mut kept: BTreeMap<(u16, BrickIndex), BrickMesh> = BTreeMap::new();
    let all = |structure: u16| (0..patient.grid().brick_count() as u32).map(move |brick| (structure, BrickIndex(brick)));
    for key in (0..patient.structures().len() as u16).flat_map(all) {
        mesher.mesh(patient, None, key.0.into(), key.1, kept.entry(key).or_default());
    }
    let mut named = 0;
    for op in script(11, 120) {
        for dirty in cut.apply(patient, &op).dirty {
            let mesh = kept.get_mut(&(dirty.structure, dirty.brick)).unwrap();
            mesher.mesh(patient, Some(&cut), dirty.structure.into(), dirty.brick, mesh);
            named += 1;
        }
        let mut fresh = BrickMesh::default();
        for (key, mesh) in &kept {
            mesher.mesh(patient, Some(&cut), key.0.into(), key.1, &mut fresh);
            assert_eq!(mesh.positions, fresh.positions, "{key:?} is stale");
            assert_eq!(mesh.triangles, fresh.triangles, "{key:?} is stale");
        }
    }
    assert!(named > 100);
}

/// A sphere's vertices lie on it to a few hundredths of a voxel, and its normals point away from its centre.
#[test]
fn a_sphere_is_round() {
    let grid = Grid::new([0.0; 3], 0.4, [3, 3, 3]).unwrap();
    let centre = [9.3, 9.5, 9.7];
    let sphere = structure(&grid, Label::lumbar(3), |p| length(minus(p, centre)) - 4.0);
    let patient = Patient::new(grid, vec![sphere], DensityField::default()).unwrap();
    let (mut mesher, mut mesh) = (Mesher::new(), BrickMesh::default());
    let (mut sum, mut count, mut turn) = (0.0, 0.0, 0.0_f64);
    for brick in surface_bricks(&patient, None, 0) {
        mesher.mesh(&patient, None, 0, brick, &mut mesh);
        assert_eq!(mesh.positions.len(), mesh.normals.len());
        assert!(mesh.cut.iter().all(|cut| !cut) && mesh.cut.len() == mesh.positions.len());
        let mut used = vec![false; mesh.positions.len()];
        for t in &mesh.triangles {
            t.iter().for_each(|v| used[*v as usize] = true);
        }
        assert!(used.iter().all(|used| *used), "a vertex without triangle");
        for (position, normal) in mesh.positions.iter().zip(&mesh.normals) {
            let out = minus(BrickMesh::position_mm(&grid, brick, *position), centre);
            let error = length(out) - 4.0;
            sum += error * error;
            count += 1.0;
            let cosine = (0..3).map(|k| out[k] * f64::from(normal[k])).sum::<f64>() / length(out);
            turn = turn.max(cosine.clamp(-1.0, 1.0).acos().to_degrees());
        }
    }
    let rms_mm = f64::sqrt(sum / count);
    assert!(count > 1000.0 && rms_mm < 0.012, "rms {rms_mm} mm");
    assert!(turn < 6.0, "a normal is {turn}° off");
}

/// Vertices on the wall of a drilled hole are marked as cut, those on untouched bone are not.
#[test]
fn cut_faces_are_marked() {
    let grid = Grid::new([0.0; 3], 0.4, [3, 3, 3]).unwrap();
    let plate = structure(&grid, Label::lumbar(3), |p| (p[2] - 9.0).abs() - 3.0);
    let patient = Patient::new(grid, vec![plate], DensityField::default()).unwrap();
    let mut cut = CutState::new(&grid);
    let classes = spinor_volume::ClassMask::of(&[TissueClass::Bone]);
    let centre = [9.6, 9.6, 12.0];
    cut.apply(&patient, &spinor_volume::CutOp::capsule_mm(&grid, centre, centre, 2.5, classes).unwrap());
    let (mut mesher, mut mesh) = (Mesher::new(), BrickMesh::default());
    let mut marked = 0;
    for brick in surface_bricks(&patient, Some(&cut), 0) {
        mesher.mesh(&patient, Some(&cut), 0, brick, &mut mesh);
        for (position, cut) in mesh.positions.iter().zip(&mesh.cut) {
            let at = BrickMesh::position_mm(&grid, brick, *position);
            let from_wall = (length(minus(at, centre)) - 2.5).abs();
            let from_plate = ((at[2] - 9.0).abs() - 3.0).abs();
            if (from_wall - from_plate).abs() > 0.25 {
                assert_eq!(*cut, from_wall < from_plate, "vertex at {at:?}");
            }
            marked += usize::from(*cut);
        }
    }
    assert!(marked > 200, "{marked} marked");
}

/// The mesher's output after 200 mixed operations has the same bytes on every machine and in every build.
#[test]
fn meshes_have_their_digest() {
    let patient = spine();
    let mut cut = CutState::new(patient.grid());
    for op in script(31, 200) {
        cut.apply(patient, &op);
    }
    let (mut mesher, mut mesh) = (Mesher::new(), BrickMesh::default());
    let (mut digest, mut count) = (0_u64, 0);
    let mut add = |n: u64| digest = (digest ^ n).rotate_left(29).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for structure in 0..patient.structures().len() {
        for brick in surface_bricks(patient, Some(&cut), structure) {
            mesher.mesh(patient, Some(&cut), structure, brick, &mut mesh);
            mesh.positions.as_flattened().iter().for_each(|v| add(*v as u64));
            mesh.normals.as_flattened().iter().for_each(|v| add(v.to_bits().into()));
            mesh.triangles.as_flattened().iter().for_each(|v| add((*v).into()));
            mesh.cut.iter().for_each(|v| add((*v).into()));
            count += mesh.triangles.len();
        }
    }
    assert_eq!(format!("{digest:016x} {count}"), MESHES);
}

const MESHES: &str = "1fd8e3a6d31acf34 42620";
