//! What a case's structures must be to each other: no bone in the canal, nothing inside something else, levels in their order, left on the
//! left. What is not so is told by name; only a person can say which of two structures is wrong.

use spinor_volume::{BRICK, BRICK_VOXELS, BrickState, Grid, Label, Structure, TissueClass};

/// Structures that share places deeper than this below both surfaces overlap, mm: rims of smoothed neighbours do less.
const DEEP_MM: f64 = 0.4;
/// Overlap from which on it is told, mm³.
const TOLD_MM3: f64 = 20.0;
/// Nearest and farthest that the middles of neighbouring vertebrae lie apart, mm: neck to lumbar.
const APART_MM: [f64; 2] = [10.0, 60.0];

/// Warnings about structures on one grid.
pub(super) fn check(grid: &Grid, structures: &[Structure]) -> Vec<String> {
    let mut out = overlaps(grid, structures);
    let middles: Vec<(Label, [f64; 3])> = structures.iter().filter_map(|s| Some((s.label, middle(grid, s)?))).collect();
    out.extend(order(&middles));
    out.extend(sides(&middles));
    out
}

fn overlaps(grid: &Grid, structures: &[Structure]) -> Vec<String> {
    let deep = -(DEEP_MM / grid.spacing_mm() * f64::from(spinor_volume::SDF_PER_VOXEL)) as i32;
    let mut out = Vec::new();
    for (n, a) in structures.iter().enumerate() {
        for b in structures.iter().skip(n + 1) {
            // The cord lies in its sac where that was labelled whole.
            if matches!((a.label, b.label), (Label::SPINAL_CORD, Label::DURAL_SAC)) {
                continue;
            }
            let mut voxels = 0_u64;
            for brick in a.sdf.stored().map(|(brick, _)| brick).chain(a.sdf.inside()) {
                let other = b.sdf.brick(brick);
                if matches!(other, BrickState::Outside) {
                    continue;
                }
                let own = a.sdf.brick(brick);
                let value = |state: &BrickState<'_>, at: usize| match state {
                    BrickState::Outside => 127,
                    BrickState::Inside => -127,
                    BrickState::Samples(samples) => i32::from(samples[at]),
                };
                voxels += (0..BRICK_VOXELS).filter(|at| value(&own, *at) < deep && value(&other, *at) < deep).count() as u64;
            }
            let volume = voxels as f64 * grid.voxel_mm3();
            if volume < TOLD_MM3 {
                continue;
            }
            let (a, b) = (a.label, b.label);
            let bone = |l: Label| l.class() == Some(TissueClass::Bone);
            out.push(
                if bone(a) != bone(b) && (a.class() == Some(TissueClass::Neural) || b.class() == Some(TissueClass::Neural)) {
                    let (bone, nerve) = if bone(a) { (a, b) } else { (b, a) };
                    format!(
                        "{} reaches {volume:.0} mm³ into {}: bone within a nerve's space is an error of one of the two.",
                        bone.name(),
                        nerve.name()
                    )
                } else {
                    format!("{} and {} overlap by {volume:.0} mm³.", a.name(), b.name())
                },
            );
        }
    }
    out
}

fn order(middles: &[(Label, [f64; 3])]) -> Vec<String> {
    // Numbers rise from C1 to the sacrum.
    let mut bones: Vec<&(Label, [f64; 3])> = middles.iter().filter(|(l, _)| l.class() == Some(TissueClass::Bone)).collect();
    bones.sort_by_key(|(label, _)| *label);
    let mut out = Vec::new();
    for pair in bones.windows(2) {
        let ((upper, a), (lower, b)) = (pair[0], pair[1]);
        let apart = (0..3).map(|k| (a[k] - b[k]).powi(2)).sum::<f64>().sqrt();
        let next = matches!((upper.0, lower.0), (17, 21) | (32, 41)) || lower.0 == upper.0 + 1;
        if a[2] <= b[2] {
            out.push(format!("{} lies below {}: the levels are in the wrong order.", upper.name(), lower.name()));
        } else if next && !(APART_MM[0]..=APART_MM[1]).contains(&apart) {
            out.push(format!(
                "The middles of {} and {} lie {apart:.0} mm apart: a level is missing between them, or one bone has two names.",
                upper.name(),
                lower.name()
            ));
        }
    }
    out
}

fn sides(middles: &[(Label, [f64; 3])]) -> Vec<String> {
    let of = |label: Label| middles.iter().find(|(l, _)| *l == label).map(|(_, at)| at[0]);
    (1..=6_u16)
        .filter_map(|level| {
            let (left, right) = (of(Label::root(level, true))?, of(Label::root(level, false))?);
            (left <= right).then(|| {
                format!(
                    "{} lies to the patient's right of {}: the sides are swapped.",
                    Label::root(level, true).name(),
                    Label::root(level, false).name()
                )
            })
        })
        .collect()
}

/// Middle of a structure's voxels inside, LPS mm.
pub(super) fn middle(grid: &Grid, structure: &Structure) -> Option<[f64; 3]> {
    let (mut sum, mut count) = ([0.0; 3], 0.0);
    let mut add = |brick, inside: &dyn Fn(usize) -> bool| {
        let first = grid.brick_coords(brick).map(|v| f64::from(v) * BRICK as f64);
        for at in (0..BRICK_VOXELS).filter(|at| inside(*at)) {
            let place = [at % BRICK, at / BRICK % BRICK, at / (BRICK * BRICK)];
            for k in 0..3 {
                sum[k] += first[k] + place[k] as f64;
            }
            count += 1.0;
        }
    };
    structure.sdf.inside().for_each(|brick| add(brick, &|_| true));
    structure.sdf.stored().for_each(|(brick, samples)| add(brick, &|at| samples[at] < 0));
    (count > 0.0).then(|| grid.patient_from_index(sum.map(|v| v / count)))
}

#[cfg(test)]
mod tests {
    //! Each wrong arrangement is named; a right one is silent.

    use super::*;
    use crate::bake::{BakeOptions, Layer, bake_layers};
    use crate::volume3d::{Geometry, Image};
    use spinor_volume::Source;

    /// Balls of some radius at places, by number, each of a label map of its own so that they may overlap.
    fn told(balls: &[(u16, [f64; 3], f64)]) -> Vec<String> {
        let geometry = Geometry::axis_aligned([60, 60, 110], [1.0; 3], [-30.0, -30.0, 0.0]).unwrap();
        let maps: Vec<Image<u16>> = balls
            .iter()
            .map(|(number, c, r)| {
                let mut map = Image::filled(geometry, 0);
                for at in 0..map.voxels.len() {
                    let p = geometry.patient_from_index(geometry.index_of(at).map(|v| v as f64));
                    if (0..3).map(|k| (p[k] - c[k]).powi(2)).sum::<f64>() < r * r {
                        map.voxels[at] = *number;
                    }
                }
                map
            })
            .collect();
        let layers: Vec<Layer<'_>> = maps.iter().map(|labels| Layer { labels, source: Source::Labelled }).collect();
        let baked = bake_layers(&layers, None, &BakeOptions::default()).unwrap();
        check(&baked.grid, &baked.structures)
    }

    #[test]
    fn what_is_wrong_is_named_and_what_is_right_is_silent() {
        let (l3, l4) = ((43, [0.0, 0.0, 70.0], 12.0), (44, [0.0, 0.0, 35.0], 12.0));
        let roots = |x: f64| [(128, [x, 20.0, 35.0], 4.0), (129, [-x, 20.0, 35.0], 4.0)];
        let good: Vec<_> = [l3, l4, (2, [0.0, 20.0, 50.0], 6.0)].into_iter().chain(roots(15.0)).collect();
        assert_eq!(told(&good), Vec::<String>::new());

        let canal = told(&[l3, l4, (2, [0.0, 14.0, 35.0], 6.0)]);
        assert!(
            matches!(&canal[..], [one] if one.contains("vertebrae_L4 reaches") && one.contains("into dural_sac")),
            "{canal:?}"
        );
        let flavum = told(&[l3, l4, (113, [0.0, 14.0, 35.0], 6.0)]);
        assert!(matches!(&flavum[..], [one] if one.contains("vertebrae_L4 and ligamentum_flavum_L3_L4 overlap")), "{flavum:?}");
        let swapped = told(&[(44, l3.1, 12.0), (43, l4.1, 12.0)]);
        assert!(matches!(&swapped[..], [one] if one.contains("vertebrae_L3 lies below vertebrae_L4")), "{swapped:?}");
        let missing = told(&[(43, [0.0, 0.0, 95.0], 10.0), (44, [0.0, 0.0, 15.0], 10.0)]);
        assert!(matches!(&missing[..], [one] if one.contains("80 mm apart")), "{missing:?}");
        let sides: Vec<_> = [l3, l4].into_iter().chain(roots(-15.0)).collect();
        let sides = told(&sides);
        assert!(matches!(&sides[..], [one] if one.contains("nerve_root_L4_left") && one.contains("swapped")), "{sides:?}");
    }
}
