//! What baking must reach, on analytic shapes and on a real patient.

use super::*;
use crate::edt::nearest_features;
use crate::nifti_io::{read_nifti_i16, read_nifti_u16};
use crate::schemes::Scheme;
use crate::test_data;
use spinor_volume::mesh::{BrickMesh, Mesher, surface_bricks};
use spinor_volume::{Patient, SDF_PER_VOXEL, VoxelIndex};

/// Trilinear signed distance of a structure in mm.
fn sdf_mm(grid: &Grid, structure: &Structure, at_mm: [f64; 3]) -> f64 {
    let index = grid.index_from_patient(at_mm);
    let low = index.map(|v| v.floor() as i32);
    let mut sum = 0.0;
    for corner in 0..8 {
        let (mut voxel, mut weight) = (low, 1.0);
        for k in 0..3 {
            let t = index[k] - f64::from(low[k]);
            if corner >> k & 1 == 1 {
                voxel[k] += 1;
                weight *= t;
            } else {
                weight *= 1.0 - t;
            }
        }
        sum += weight * f64::from(structure.sdf.sample(grid, VoxelIndex(voxel)));
    }
    sum / f64::from(SDF_PER_VOXEL) * grid.spacing_mm()
}

/// Voxels where two structures of one class are both inside, and the least sum of their distances in mm where both are stored.
fn overlap(baked: &Baked) -> (usize, f64) {
    let (mut both, mut least) = (0, f64::INFINITY);
    for (n, a) in baked.structures.iter().enumerate() {
        for b in baked.structures[n + 1..].iter().filter(|b| b.class == a.class) {
            for (brick, samples) in a.sdf.stored() {
                for (at, s) in samples.iter().enumerate() {
                    let other = match b.sdf.brick(brick) {
                        spinor_volume::BrickState::Outside => 127,
                        spinor_volume::BrickState::Inside => -127,
                        spinor_volume::BrickState::Samples(samples) => samples[at],
                    };
                    both += usize::from(*s <= 0 && other <= 0);
                    if s.abs() < 127 && other.abs() < 127 {
                        let sum = f64::from(i32::from(*s) + i32::from(other)) / f64::from(SDF_PER_VOXEL);
                        least = least.min(sum * baked.grid.spacing_mm());
                    }
                }
            }
            let inside: std::collections::BTreeSet<_> = a.sdf.inside().collect();
            both += b.sdf.inside().filter(|brick| inside.contains(brick)).count() * spinor_volume::BRICK_VOXELS;
        }
    }
    (both, least)
}

/// A lattice of 1 × 1 × 2 mm stored sagittally, at 9°, 13° and 7° to the patient.
fn oblique(size: [usize; 3]) -> Geometry {
    let (a, b, c) = (9_f64.to_radians(), 13_f64.to_radians(), 7_f64.to_radians());
    let x = [[1.0, 0.0, 0.0], [0.0, a.cos(), -a.sin()], [0.0, a.sin(), a.cos()]];
    let y = [[b.cos(), 0.0, b.sin()], [0.0, 1.0, 0.0], [-b.sin(), 0.0, b.cos()]];
    let z = [[c.cos(), -c.sin(), 0.0], [c.sin(), c.cos(), 0.0], [0.0, 0.0, 1.0]];
    let times =
        |m: [[f64; 3]; 3], n: [[f64; 3]; 3]| [0, 1, 2].map(|i| [0, 1, 2].map(|j| (0..3).map(|k| m[i][k] * n[k][j]).sum::<f64>()));
    // Axis 0 of the image runs to the back, axis 1 to the head, axis 2 to the left.
    let sagittal = [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]];
    let direction = times(times(times(z, y), x), sagittal);
    let spacing = [1.0, 1.0, 2.0];
    let half = [0, 1, 2].map(|k| 0.5 * (size[k] as f64 - 1.0) * spacing[k]);
    let origin = [0, 1, 2].map(|row| -(0..3).map(|k| direction[row][k] * half[k]).sum::<f64>());
    Geometry::new(size, spacing, origin, direction).unwrap()
}

fn box_distance(at: [f64; 3], centre: [f64; 3], half: [f64; 3]) -> f64 {
    let d = [0, 1, 2].map(|k| (at[k] - centre[k]).abs() - half[k]);
    let outside = d.map(|v| v.max(0.0));
    (outside[0].powi(2) + outside[1].powi(2) + outside[2].powi(2)).sqrt() + d[0].max(d[1]).max(d[2]).min(0.0)
}

fn torus(at: [f64; 3]) -> f64 {
    (at[0].hypot(at[1]) - 14.0).hypot(at[2]) - 5.0
}

/// The torus of L4 carries a plate 2 mm thick; L3 is a slab that faces it across 1 mm, and a plate 3 mm thick.
fn exact(at: [f64; 3]) -> [f64; 2] {
    let plate = box_distance(at, [0.0, 24.0, 4.0], [14.0, 1.0, 12.0]);
    let bridge = box_distance(at, [0.0, 20.0, 0.0], [4.0, 5.0, 4.0]);
    let slab = box_distance(at, [0.0, 29.0, 4.0], [12.0, 3.0, 10.0]);
    let thick = box_distance(at, [0.0, 31.5, 22.0], [14.0, 1.5, 14.0]);
    [torus(at).min(plate).min(bridge), slab.min(thick)]
}

fn analytic() -> Image<u16> {
    let geometry = oblique([80, 84, 34]);
    let voxels = (0..geometry.voxel_count()).map(|at| {
        // Partial volume decides: a voxel belongs to what fills more than half of it.
        let index = geometry.index_of(at).map(|v| v as f64);
        let mut count = [0; 2];
        for n in 0..64 {
            let part = [n % 4, n / 4 % 4, n / 16].map(|v| (f64::from(v) - 1.5) / 4.0);
            let d = exact(geometry.patient_from_index([0, 1, 2].map(|k| index[k] + part[k])));
            count[0] += usize::from(d[0] < 0.0);
            count[1] += usize::from(d[1] < 0.0);
        }
        if count[0] >= 32 && count[0] >= count[1] {
            44
        } else if count[1] >= 32 {
            43
        } else {
            0
        }
    });
    Image::new(geometry, voxels.collect()).unwrap()
}

/// On 1 × 1 × 2 mm oblique voxels a torus keeps its surface to 0.2 mm on average, a plate of 2 mm stays in one piece, one of 3 mm keeps
/// its thickness, and facing bones keep the gap.
#[test]
fn plates_and_gaps_survive_thick_oblique_slices() {
    let baked = bake(&analytic(), None, &BakeOptions::default()).unwrap();
    let (l3, l4) = (&baked.structures[0], &baked.structures[1]);
    assert_eq!((l3.label, l4.label, baked.reports[1].pieces), (Label::lumbar(3), Label::lumbar(4), 1));

    let (mut sum, mut count) = (0.0, 0);
    for (brick, samples) in l4.sdf.stored() {
        let coords = baked.grid.brick_coords(brick);
        for (at, sample) in samples.iter().enumerate().filter(|(_, s)| s.abs() <= 16) {
            let place = [at % 16, at / 16 % 16, at / 256];
            let index = [0, 1, 2].map(|k| f64::from(coords[k]) * 16.0 + place[k] as f64);
            let at_mm = baked.grid.patient_from_index(index);
            if torus(at_mm).abs() < 2.0 && at_mm[1] < 8.0 {
                sum += (f64::from(*sample) / 32.0 * 0.4 - torus(at_mm)).abs();
                count += 1;
            }
        }
    }
    let mean = sum / f64::from(count);
    println!("torus: mean surface error {mean:.3} mm over {count} samples");
    assert!(count > 5_000 && mean < 0.2, "mean surface error {mean} mm");

    // The middle of the thin plate, away from its rim, is bone everywhere.
    let mut holes = 0;
    for x in -48..=48 {
        for z in -24..=56 {
            let at = [f64::from(x) * 0.25, 24.0, f64::from(z) * 0.25];
            holes += usize::from(sdf_mm(&baked.grid, l4, at) >= 0.0);
        }
    }
    assert_eq!(holes, 0, "the 2 mm plate is broken");

    let mut thicknesses = Vec::new();
    for x in -10..=10 {
        for z in 38..=62 {
            let inside = |n: &i32| sdf_mm(&baked.grid, l3, [f64::from(x), 28.0 + f64::from(*n) * 0.05, f64::from(z) * 0.5]) < 0.0;
            thicknesses.push((0..140).filter(inside).count() as f64 * 0.05);
        }
    }
    let mean = thicknesses.iter().sum::<f64>() / thicknesses.len() as f64;
    println!("3 mm plate: mean thickness {mean:.2} mm");
    assert!((mean - 3.0).abs() < 0.3, "the 3 mm plate became {mean} mm thick");

    let (both, least) = overlap(&baked);
    println!("overlap {both} voxels, least sum of distances {least:.3} mm");
    assert_eq!(both, 0);
    assert!(least >= 0.7, "neighbours come as close as {least} mm");
}

/// The same labels give the same fields on one thread and on three.
#[test]
fn threads_do_not_change_the_fields() {
    let labels = analytic();
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| bake(&labels, None, &BakeOptions { spacing_mm: 0.8, ..BakeOptions::default() }).unwrap().structures)
    };
    assert_eq!(on(1), on(3));
}

/// What cannot be baked is said, not guessed.
#[test]
fn labels_without_structures_are_refused() {
    let geometry = Geometry::axis_aligned([8; 3], [1.0; 3], [0.0; 3]).unwrap();
    let none = bake(&Image::filled(geometry, 0), None, &BakeOptions::default());
    assert_eq!(none.unwrap_err(), BakeError::NoLabels);
    let unknown = bake(&Image::filled(geometry, 60), None, &BakeOptions::default());
    assert_eq!(unknown.unwrap_err(), BakeError::UnknownLabel(60));
    let fine = BakeOptions { spacing_mm: 0.01, ..BakeOptions::default() };
    assert!(matches!(bake(&Image::filled(geometry, 44), None, &fine), Err(BakeError::Option(_))));
    let whole = bake(&Image::filled(geometry, 44), None, &BakeOptions::default()).unwrap();
    assert!(whole.reports[0].at_border && !whole.warnings.is_empty());
    // However many structures are cut off, one line says so, with all their names.
    let mut halves = Image::filled(geometry, 44);
    (0..halves.voxels.len()).filter(|at| at % 8 < 4).for_each(|at| halves.voxels[at] = 43);
    let halves = bake(&halves, None, &BakeOptions::default()).unwrap();
    let told: Vec<&String> = halves.warnings.iter().filter(|w| w.contains("border")).collect();
    assert!(matches!(told[..], [one] if one.starts_with("vertebrae_L3, vertebrae_L4 reach the border")), "{told:?}");
    assert!((whole.structures[0].volume_mm3 / 512.0 - 1.0).abs() < 0.02, "{}", whole.structures[0].volume_mm3);
}

/// DSC and HD95 in mm of two masks on one lattice; distances between the centres of border voxels, both ways.
fn agreement(geometry: &Geometry, a: &[bool], b: &[bool]) -> (f64, f64) {
    let border = |mask: &[bool]| -> Vec<bool> {
        let inside = |index: [usize; 3], k: usize, up: bool| {
            let mut next = index.map(|v| v as i64);
            next[k] += if up { 1 } else { -1 };
            (0..geometry.size[k] as i64).contains(&next[k]) && mask[geometry.offset(next.map(|v| v as usize))]
        };
        (0..mask.len())
            .map(|at| {
                let index = geometry.index_of(at);
                mask[at] && (0..3).any(|k| !inside(index, k, true) || !inside(index, k, false))
            })
            .collect()
    };
    let both = a.iter().zip(b).filter(|(a, b)| **a && **b).count() as f64;
    let count = |mask: &[bool]| mask.iter().filter(|v| **v).count() as f64;
    let (edge_a, edge_b) = (border(a), border(b));
    let p95 = |from: &[bool], to: &[bool]| {
        let nearest = nearest_features(geometry.size, geometry.spacing_mm, |at| to[at]);
        let mut all: Vec<f64> = (0..from.len()).filter(|at| from[*at]).map(|at| nearest.distance_mm(at)).collect();
        all.sort_by(f64::total_cmp);
        all[(all.len() * 95).div_ceil(100) - 1]
    };
    (2.0 * both / (count(a) + count(b)), p95(&edge_a, &edge_b).max(p95(&edge_b, &edge_a)))
}

/// On a real lumbar CT with expert labels (VerSe014, never trained on): volumes within 2 %, DSC and HD95 against the labels, no overlap.
#[test]
fn a_real_patient_keeps_labels_and_volumes() {
    let Some(data) = test_data::folder("a_real_patient_keeps_labels_and_volumes", "ct") else { return };
    let ct = read_nifti_i16(&data.join("sub-verse014_ct.nii.gz")).unwrap();
    let mut labels = read_nifti_u16(&data.join("sub-verse014_seg-vert_msk.nii.gz")).unwrap();
    Scheme::Verse.relabel(&mut labels.voxels);
    let start = std::time::Instant::now();
    let baked = bake(&labels, Some(&ct), &BakeOptions::default()).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    println!("baked in {seconds:.1} s");
    assert_eq!(baked.structures.iter().map(|s| s.label.0).collect::<Vec<_>>(), [41, 42, 43, 44, 45]);
    let mut scores = Vec::new();
    for (structure, report) in baked.structures.iter().zip(&baked.reports) {
        let ratio = structure.volume_mm3 / report.label_volume_mm3;
        let geometry = &labels.geometry;
        let at_mm = |at: usize| geometry.patient_from_index(geometry.index_of(at).map(|v| v as f64));
        let again: Vec<bool> = (0..labels.voxels.len()).map(|at| sdf_mm(&baked.grid, structure, at_mm(at)) < 0.0).collect();
        let label: Vec<bool> = labels.voxels.iter().map(|v| *v == structure.label.0).collect();
        let (dsc, hd95) = agreement(geometry, &again, &label);
        println!("{}: volume ratio {ratio:.4}, DSC {dsc:.4}, HD95 {hd95:.2} mm", structure.label);
        assert!((ratio - 1.0).abs() <= 0.02, "{} has {ratio} of its labelled volume", structure.label);
        assert!(dsc >= 0.965 && hd95 <= 1.0 + 1e-6, "{}: DSC {dsc}, HD95 {hd95}", structure.label);
        scores.push(dsc);
    }
    let mean = scores.iter().sum::<f64>() / scores.len() as f64;
    println!("mean DSC {mean:.4}");
    assert!(mean >= 0.97);
    let (both, least) = overlap(&baked);
    println!("overlap {both} voxels, least sum of distances {least:.3} mm");
    assert_eq!(both, 0);
    let start = std::time::Instant::now();
    let made = crate::complete::complete(&baked.grid, &baked.structures, Some(&ct));
    println!("{} structures proposed in {:.1} s: {:?}", made.structures.len(), start.elapsed().as_secs_f64(), made.warnings);
    let sac = made.structures.iter().find(|s| s.label == Label::DURAL_SAC);
    check_sac(&baked, sac.expect("the arches of a lumbar spine close around a canal"), &ct);
    let hu: Vec<i32> = baked.density.stored().flat_map(|(_, d)| d.iter().map(|v| i32::from(*v) * 8)).collect();
    assert!(hu.iter().any(|v| *v > 700) && hu.iter().filter(|v| (50..600).contains(*v)).count() > 1_000_000);
    let patient = Patient::new(baked.grid, baked.structures, baked.density).unwrap();
    for structure in 0..patient.structures().len() {
        let rms = rms_dihedral_degrees(&patient, structure);
        println!("{}: RMS dihedral angle {rms:.2}°", patient.structures()[structure].label);
        assert!(rms <= 5.0, "{rms}");
    }
    if cfg!(not(debug_assertions)) {
        assert!(seconds < 120.0, "baking took {seconds} s");
    }
}

/// The proposed sac touches no bone, runs through most of the spine, is as wide as a sac is, and lies in soft tissue.
fn check_sac(baked: &Baked, sac: &Structure, ct: &Image<i16>) {
    assert_eq!((sac.label, sac.source), (Label::DURAL_SAC, Source::Proposed));
    assert!(sac.uncertainty_mm > crate::complete::NEURAL_UNCERTAINTY_MM, "the bones are unsure too: {}", sac.uncertainty_mm);
    let (mut low, mut high, mut hu, mut count) = (f64::INFINITY, f64::NEG_INFINITY, 0.0, 0.0);
    let mut heights: BTreeMap<i32, f64> = BTreeMap::new();
    for (brick, samples) in sac.sdf.stored() {
        let first = baked.grid.brick_coords(brick).map(|v| v * 16);
        for (at, _) in samples.iter().enumerate().filter(|(_, s)| **s <= 0) {
            let place = [at % 16, at / 16 % 16, at / 256];
            let voxel = VoxelIndex([0, 1, 2].map(|k| first[k] + place[k] as i32));
            for bone in &baked.structures {
                assert!(bone.sdf.sample(&baked.grid, voxel) > 0, "the sac overlaps {}", bone.label);
            }
            let at_mm = baked.grid.patient_from_index(voxel.0.map(f64::from));
            low = low.min(at_mm[2]);
            high = high.max(at_mm[2]);
            *heights.entry(at_mm[2].floor() as i32).or_default() += baked.grid.voxel_mm3();
            hu += f64::from(ct.nearest(at_mm).unwrap());
            count += 1.0;
        }
    }
    let (length, mean_hu) = (high - low, hu / count);
    let area = sac.volume_mm3 / length;
    // Areas of slabs a millimetre thick, without the rounded ends.
    let inner: Vec<f64> = heights.values().copied().skip(10).take(heights.len().saturating_sub(20)).collect();
    let least = inner.iter().copied().fold(f64::INFINITY, f64::min);
    println!("sac: {length:.0} mm long, {area:.0} mm² on average, {least:.0} mm² at its narrowest, {mean_hu:.0} HU");
    assert!(length > 100.0, "{length} mm");
    assert!(least > 0.6 * area, "pinched to {least} mm²");
    assert!((60.0..=178.0).contains(&area), "{area} mm²");
    assert!((-60.0..150.0).contains(&mean_hu), "{mean_hu} HU");
}

/// Root mean square of the angle between triangles that share an edge: how smooth a surface is.
pub(crate) fn rms_dihedral_degrees(patient: &Patient, structure: usize) -> f64 {
    let (mut mesher, mut mesh) = (Mesher::new(), BrickMesh::default());
    let mut edges: BTreeMap<[[i64; 3]; 2], Vec<[f64; 3]>> = Default::default();
    for brick in surface_bricks(patient, None, structure) {
        mesher.mesh(patient, None, structure, brick, &mut mesh);
        let first = patient.grid().brick_coords(brick).map(|v| i64::from(v) * 16 * 256);
        let vertex = |n: u16| [0, 1, 2].map(|k| first[k] + i64::from(mesh.positions[usize::from(n)][k]));
        for triangle in &mesh.triangles {
            let [a, b, c] = triangle.map(vertex);
            let (u, v) = ([0, 1, 2].map(|k| (b[k] - a[k]) as f64), [0, 1, 2].map(|k| (c[k] - a[k]) as f64));
            let normal = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
            let length = normal.iter().map(|x| x * x).sum::<f64>().sqrt();
            if length > 0.0 {
                for (p, q) in [(a, b), (b, c), (c, a)] {
                    edges.entry(if p < q { [p, q] } else { [q, p] }).or_default().push(normal.map(|x| x / length));
                }
            }
        }
    }
    let angles = edges.values().filter(|normals| normals.len() == 2).map(|n| {
        let cosine: f64 = (0..3).map(|k| n[0][k] * n[1][k]).sum();
        cosine.clamp(-1.0, 1.0).acos().to_degrees().powi(2)
    });
    let (sum, count) = angles.fold((0.0, 0_u32), |(sum, count), a| (sum + a, count + 1));
    (sum / f64::from(count)).sqrt()
}
