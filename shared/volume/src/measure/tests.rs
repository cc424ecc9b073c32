//! The measures against brute-force references that share no code with them: they sample the analytic shapes of the fixture and of the
//! cuts on fine lattices, and never touch a stored field.

use super::fixture::*;
use super::*;
use crate::{ClassMask, CutOp, CutState, Label, Patient, TissueClass};

const SOLID: ClassMask = ClassMask::of(&[TissueClass::Bone, TissueClass::Flavum]);
const BONE: ClassMask = ClassMask::of(&[TissueClass::Bone]);

/// A block of removed tissue between two corners.
#[derive(Clone, Copy)]
struct Block {
    low: [f64; 3],
    high: [f64; 3],
    classes: ClassMask,
}

impl Block {
    /// As operations: pieces of at most 20 mm that overlap by 1 mm.
    fn ops(&self, patient: &Patient) -> Vec<CutOp> {
        let pieces = |k: usize| ((self.high[k] - self.low[k]) / 20.0).ceil() as u32;
        let side = |k: usize, n: u32| {
            let long = (self.high[k] - self.low[k]) / f64::from(pieces(k));
            let low = self.low[k] + f64::from(n) * long;
            [(low - if n > 0 { 0.5 } else { 0.0 }), (low + long + if n + 1 < pieces(k) { 0.5 } else { 0.0 })]
        };
        let axes = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        let mut ops = Vec::new();
        for z in 0..pieces(2) {
            for y in 0..pieces(1) {
                for x in 0..pieces(0) {
                    let sides = [side(0, x), side(1, y), side(2, z)];
                    let (centre, half) = (sides.map(|[a, b]| (a + b) / 2.0), sides.map(|[a, b]| (b - a) / 2.0));
                    ops.push(CutOp::box_mm(patient.grid(), centre, half, axes, 0.0, self.classes).unwrap());
                }
            }
        }
        ops
    }

    fn takes(&self, class: TissueClass, p: [f64; 3]) -> bool {
        self.classes.contains(class) && block(p, self.low, self.high) < 0.0
    }
}

fn state(patient: &Patient, cuts: &[Block]) -> CutState {
    let mut cut = CutState::new(patient.grid());
    for block in cuts {
        let removed: usize = block.ops(patient).iter().map(|op| cut.apply(patient, op).removed.len()).sum();
        assert!(removed > 0);
    }
    cut
}

fn bone(p: [f64; 3]) -> bool {
    let at = |z: f64| vertebra([p[0], p[1], p[2] - z]) < 0.0;
    at(MIDDLE_MM) || at(-MIDDLE_MM)
}

/// Whether solid tissue stands at a place, before and after cuts.
fn solid(p: [f64; 3], cuts: &[Block]) -> [bool; 2] {
    let left = |class: TissueClass| !cuts.iter().any(|b| b.takes(class, p));
    let (bone, flavum, disc) = (bone(p), flavum(p) < 0.0, disc(p) < 0.0);
    [bone || flavum || disc, bone && left(TissueClass::Bone) || flavum && left(TissueClass::Flavum) || disc]
}

/// Pixels of the reference, mm.
const PIXEL_MM: f64 = 0.1;

/// A slice of pixels: x −17 to 17, y −13 to 20.
struct Pixels {
    nx: usize,
    ny: usize,
}

impl Pixels {
    fn new() -> Self {
        Self { nx: (34.0 / PIXEL_MM) as usize, ny: (33.0 / PIXEL_MM) as usize }
    }

    fn xy(&self, k: usize) -> [f64; 2] {
        [(k % self.nx) as f64 * PIXEL_MM + PIXEL_MM / 2.0 - 17.0, (k / self.nx) as f64 * PIXEL_MM + PIXEL_MM / 2.0 - 13.0]
    }

    fn map<T>(&self, of: impl Fn([f64; 2]) -> T) -> Vec<T> {
        (0..self.nx * self.ny).map(|k| of(self.xy(k))).collect()
    }

    fn area(&self, set: &[bool]) -> f64 {
        set.iter().filter(|v| **v).count() as f64 * PIXEL_MM * PIXEL_MM
    }

    /// Repeats passes until nothing more is joined: slow, and nothing like a stack.
    fn joined(&self, open: &[bool], seeds: &[bool]) -> Vec<bool> {
        let mut set: Vec<bool> = open.iter().zip(seeds).map(|(a, b)| *a && *b).collect();
        loop {
            let mut changed = false;
            for backward in [false, true] {
                for n in 0..set.len() {
                    let k = if backward { set.len() - 1 - n } else { n };
                    if open[k] && !set[k] {
                        let (x, y) = (k % self.nx, k / self.nx);
                        let any = x > 0 && set[k - 1]
                            || x + 1 < self.nx && set[k + 1]
                            || y > 0 && set[k - self.nx]
                            || y + 1 < self.ny && set[k + self.nx];
                        set[k] = any;
                        changed |= any;
                    }
                }
            }
            if !changed {
                return set;
            }
        }
    }

    /// Pixels within `radius` of the set, by asking every offset of each border pixel.
    fn within(&self, set: &[bool], radius: f64) -> Vec<bool> {
        let reach = (radius / PIXEL_MM) as i32;
        let mut out = set.to_vec();
        for k in (0..set.len()).filter(|k| set[*k]) {
            let (x, y) = ((k % self.nx) as i32, (k / self.nx) as i32);
            let at = |x: i32, y: i32| {
                let inside = (0..self.nx as i32).contains(&x) && (0..self.ny as i32).contains(&y);
                inside.then(|| x as usize + self.nx * y as usize)
            };
            if [(1, 0), (-1, 0), (0, 1), (0, -1)].iter().all(|(u, v)| at(x + u, y + v).is_none_or(|n| set[n])) {
                continue;
            }
            for v in -reach..=reach {
                for u in -reach..=reach {
                    if f64::from(u * u + v * v).sqrt() * PIXEL_MM <= radius
                        && let Some(n) = at(x + u, y + v)
                    {
                        out[n] = true;
                    }
                }
            }
        }
        out
    }
}

/// The sac's area as imaged and after cuts in the slice at a place on the axis, from docs/MEASURES.md's definition.
fn canal_by_brute_force(anatomy: &Anatomy, along: f64, cuts: &[Block]) -> [f64; 2] {
    let level = &anatomy.levels()[0];
    let frame = anatomy.axis().section(along, level.joint.frame.left).unwrap();
    let frame = frame.moved([-level.joint.frame.local(frame.origin_mm)[0], 0.0, 0.0]);
    let at = |[x, y]: [f64; 2]| frame.patient([x, y, 0.0]);
    let pixels = Pixels::new();
    let sac = pixels.map(|p| narrow_sac(at(p)) < 0.0);
    let imaged = pixels.area(&sac);
    let tissue = pixels.map(|p| solid(at(p), cuts));
    // The facets' most posterior edges, from where the joints are known to be.
    let edge = |side: Side| {
        let f = level.joint.facet(side).unwrap();
        let mut best = [0.0, f64::NEG_INFINITY];
        for k in 0..=400 {
            let x = side.sign() * (f.medial_mm + (f.lateral_mm + 2.0 - f.medial_mm) * f64::from(k) / 400.0);
            let y = (0..).map(|n| f.back_mm + 7.0 - 0.02 * f64::from(n)).take_while(|y| *y > 0.0).find(|y| {
                let p = at([x, *y]);
                bone(p) && !cuts.iter().any(|b| b.takes(TissueClass::Bone, p))
            });
            if let Some(y) = y.filter(|y| *y > best[1] + 0.03) {
                best = [x, y];
            }
        }
        best
    };
    let (l, r) = (edge(Side::Left), edge(Side::Right));
    let behind = |[x, y]: [f64; 2]| y > r[1] + (l[1] - r[1]) * (x - r[0]) / (l[0] - r[0]);
    let count = pixels.nx * pixels.ny;
    let wall: Vec<bool> = (0..count).map(|k| tissue[k][1] && !sac[k]).collect();
    let tight = pixels.within(&wall, 2.0);
    let wide: Vec<bool> = (0..count).map(|k| !tight[k] || sac[k]).collect();
    let reached = pixels.within(&pixels.joined(&wide, &sac), 2.0);
    let medial = Side::BOTH.map(|s| anatomy.upper(level).pedicle(s).unwrap().medial_mm);
    let half_width = medial[0].min(medial[1]);
    let gained: Vec<bool> = (0..count)
        .map(|k| {
            let p = pixels.xy(k);
            reached[k] && tissue[k][0] && !tissue[k][1] && !behind(p) && p[0].abs() < half_width
        })
        .collect();
    // The unstenosed sac is 16 by 11 mm; its front lies where the imaged one's does.
    let front = (0..count).filter(|k| sac[*k]).map(|k| pixels.xy(k)[1]).fold(f64::INFINITY, f64::min) - PIXEL_MM / 2.0;
    let mut expanded = 0.0_f64;
    for shift in 0..=12 {
        let y = front + 5.5 + 0.5 * f64::from(shift);
        let open: Vec<bool> = (0..count)
            .map(|k| {
                let p = pixels.xy(k);
                let outline = (p[0] / 8.0) * (p[0] / 8.0) + ((p[1] - y) / 5.5) * ((p[1] - y) / 5.5) < 1.0;
                outline && (sac[k] || !tissue[k][1] && !behind(p))
            })
            .collect();
        expanded = expanded.max(pixels.area(&pixels.joined(&open, &sac)));
    }
    [imaged, imaged + pixels.area(&gained).min((expanded - imaged).max(0.0))]
}

/// Proves that the canal's area is within 1 % of brute force in every slice, for no cut, a narrow trough, half a laminotomy and a
/// laminectomy; that untouched slices keep the imaged area exactly; and that the last reaches the unstenosed area.
#[test]
fn canal_area_equals_brute_force() {
    let patient = boxes_with(0.4, UPRIGHT, narrow_sac);
    let reference = Reference::build(&patient).unwrap();
    let trough = [Block { low: [-3.5, 7.0, -14.0], high: [3.5, 16.0, 14.0], classes: SOLID }];
    let half = [Block { low: [-1.0, 5.0, -16.0], high: [9.0, 40.0, 16.0], classes: SOLID }];
    let whole = [Block { low: [-11.5, 6.0, -16.0], high: [11.5, 40.0, 18.0], classes: SOLID }];
    let mut areas = Vec::new();
    for cuts in [&[][..], &trough, &half, &whole] {
        let cut = state(&patient, cuts);
        let measured = reference.measure_level(&patient, &cut, 0).unwrap();
        assert!(measured.canal.len() > 25, "{}", measured.canal.len());
        let mut worst = 0.0_f64;
        for slice in measured.canal.iter().step_by(4) {
            let [imaged, free] = canal_by_brute_force(reference.anatomy(), f64::from(slice.along_um) / 1_000.0, cuts);
            for (got, wanted) in [(slice.imaged_um2, imaged), (slice.free_um2, free)] {
                worst = worst.max((got as f64 / 1e6 / wanted - 1.0).abs());
            }
            if cuts.is_empty() {
                assert_eq!((slice.free_um2, slice.gained_um2), (slice.imaged_um2, 0));
            }
        }
        println!("{} cuts: worst {:.3} %", cuts.len(), worst * 100.0);
        assert!(worst <= 0.01, "{} cuts: worst {:.3} %", cuts.len(), worst * 100.0);
        areas.push(measured.least_free_um2().unwrap() / 1_000_000);
    }
    // π 5.5 3.4 = 58.7 before; more room with every cut; at the end more than the target of 100 mm².
    assert!(areas.windows(2).all(|a| a[0] < a[1]) && (58..=59).contains(&areas[0]) && areas[3] > 100, "{areas:?}");
}

/// The narrowest pars from the analytic shapes.
fn pars_by_brute_force(anatomy: &Anatomy, side: Side, cuts: &[([f64; 3], [f64; 3], f64)]) -> f64 {
    let v = anatomy.vertebra(Label::lumbar(4)).unwrap();
    let pars = v.pars(side).unwrap();
    let bone = |x: f64, y: f64, z: f64| {
        let p = v.frame.patient([side.sign() * x, y, z]);
        vertebra([p[0], p[1], p[2] - MIDDLE_MM]) < 0.0 && cuts.iter().all(|(a, b, r)| segment(p, *a, *b) >= *r)
    };
    let (y0, y1) = (v.wall_mm.unwrap() + 3.0, v.lamina.as_ref().unwrap().back_mm + 12.0);
    let mut least = f64::INFINITY;
    let heights = ((pars.high_mm - pars.low_mm) / 0.25) as u32;
    for h in 0..=heights {
        let z = pars.low_mm + 0.25 * f64::from(h);
        let thick = |x: f64| {
            (0..).map(|n| y0 + 0.1 * f64::from(n)).take_while(|y| *y < y1).filter(|y| bone(x, *y, z)).count() as f64 * 0.1
        };
        // Every run of thick columns, from outside inwards.
        let (mut widest, mut run): (f64, Option<f64>) = (0.0, None);
        for n in 0..=641 {
            let x = 32.0 - 0.05 * f64::from(n);
            match run {
                None if x >= 0.0 && thick(x) >= 1.0 => run = Some(x),
                Some(outer) if x < 0.0 || thick(x) < 1.0 => {
                    if outer > 8.0 {
                        widest = widest.max(outer - x.max(0.0));
                    }
                    run = None;
                }
                _ => {}
            }
        }
        least = least.min(widest);
    }
    least
}

fn segment(p: [f64; 3], a: [f64; 3], b: [f64; 3]) -> f64 {
    let dot = |u: [f64; 3], v: [f64; 3]| u[0] * v[0] + u[1] * v[1] + u[2] * v[2];
    let (ab, ap): ([f64; 3], [f64; 3]) = (std::array::from_fn(|k| b[k] - a[k]), std::array::from_fn(|k| p[k] - a[k]));
    let t = (dot(ap, ab) / dot(ab, ab)).clamp(0.0, 1.0);
    let d: [f64; 3] = std::array::from_fn(|k| ap[k] - ab[k] * t);
    dot(d, d).sqrt()
}

/// Proves that the narrowest pars is within 0.2 mm of brute force: whole, with a round hole, thinned from the side, and cut through.
#[test]
fn narrowest_pars_equals_brute_force() {
    let patient = boxes(0.4, UPRIGHT);
    let anatomy = Anatomy::find(&patient).unwrap();
    let v = anatomy.vertebra(Label::lumbar(4)).unwrap();
    let bar = |x: f64, z: f64, r: f64| ([x, 6.0, z], [x, 18.0, z], r);
    type Capsule = ([f64; 3], [f64; 3], f64);
    let cases: [&[Capsule]; 6] = [
        &[],
        &[bar(9.0, 11.0, 2.5)],
        &[bar(11.3, 12.0, 3.1), bar(8.0, 12.0, 3.1)],
        &[bar(15.0, 11.0, 2.0)],
        // Half-way through the lamina: thinner, not narrower.
        &[([9.0, 14.0, 11.0], [9.0, 19.0, 11.0], 2.5)],
        &[bar(9.0, 11.0, 3.2), bar(14.0, 11.0, 3.2)],
    ];
    for cuts in cases {
        let mut cut = CutState::new(patient.grid());
        for (a, b, r) in cuts {
            for op in CutOp::sweep_mm(patient.grid(), *a, *b, *r, BONE).unwrap() {
                cut.apply(&patient, &op);
            }
        }
        for side in Side::BOTH {
            let got = isthmus::width(&patient, &cut, v, side).unwrap();
            let wanted = pars_by_brute_force(&anatomy, side, cuts);
            println!("{side:?} {:?} wanted {wanted:.2}", got);
            assert!((f64::from(got.now_um) / 1_000.0 - wanted).abs() <= 0.2, "{side:?} {cuts:?}: {got:?}, not {wanted:.2}");
            assert!((f64::from(got.before_um) / 1_000.0 - 16.0).abs() <= 0.2, "{got:?}");
        }
    }
}

/// Proves that amounts per side, lamina, joint and structure equal a count over every voxel of the grid, and that a block taken from the
/// left lamina is missed there and nowhere else.
#[test]
fn amounts_equal_a_count_of_all_voxels() {
    let patient = boxes(0.5, ASKEW);
    let reference = Reference::build(&patient).unwrap();
    let level = &reference.anatomy().levels()[0];
    let v = reference.anatomy().upper(level);
    // A hole of 3 mm through the left lamina, and one through the right joint.
    let mut cut = CutState::new(patient.grid());
    let lines = [[[6.0, 7.0, -6.0], [6.0, 17.0, -6.0]], [[-18.0, 3.0, -17.0], [-18.0, 16.0, -17.0]]];
    for [a, b] in lines {
        for op in CutOp::sweep_mm(patient.grid(), v.frame.patient(a), v.frame.patient(b), 1.5, SOLID).unwrap() {
            cut.apply(&patient, &op);
        }
    }
    let measured = reference.measure_level(&patient, &cut, 0).unwrap();
    let grid = *patient.grid();
    let [nx, ny, nz] = grid.voxels();
    let mut facets = [[0_i64; 2]; 2];
    let mut halves = [[0_i64; 2]; 2];
    for n in 0..nx * ny * nz {
        let voxel = crate::VoxelIndex([n % nx, n / nx % ny, n / (nx * ny)]);
        let local = level.joint.frame.local(grid.patient_from_index(voxel.0.map(f64::from)));
        for s in patient.structures() {
            let value = s.sdf.sample(&grid, voxel);
            let fill = |v: i8| i64::from((15 - i32::from(v) + i32::from(v < 0)).clamp(0, 32));
            let left = value.max(!cut.field(s.class).sample(&grid, voxel));
            if s.class == TissueClass::Bone {
                for side in Side::BOTH.into_iter().filter(|side| level.joint.facet(*side).unwrap().holds(local)) {
                    facets[side as usize][0] += fill(value);
                    facets[side as usize][1] += fill(left);
                }
            } else if s.class == TissueClass::Flavum {
                let side = usize::from(local[0] < 0.0);
                halves[side][0] += fill(value);
                halves[side][1] += fill(left);
            }
        }
    }
    for side in Side::BOTH {
        let m = &measured.sides[side as usize];
        let facet = m.facet.unwrap();
        assert_eq!([facet.before, facet.left], facets[side as usize], "{side:?} facet");
        let flavum = m.flavum.unwrap();
        assert_eq!([flavum.before, flavum.left], halves[side as usize], "{side:?} flavum");
    }
    let mm3 = |steps: i64| steps as f64 / 32.0 * grid.voxel_mm3();
    let hole = mm3(measured.sides[0].lamina.unwrap().removed());
    let wanted = std::f64::consts::PI * 1.5 * 1.5 * 6.0;
    assert!((hole / wanted - 1.0).abs() < 0.05, "{hole} mm³, not {wanted}");
    assert_eq!(measured.sides[1].lamina.unwrap().removed(), 0);
    assert_eq!(measured.sides[0].facet.unwrap().left_per_mille(), 1_000);
    assert!((700..990).contains(&measured.sides[1].facet.unwrap().left_per_mille()));
    assert!(measured.sides.iter().all(|s| s.disc.unwrap().removed() == 0));
}

/// The widest probe from the analytic shapes: exact distances to the boxes, on another lattice.
fn probe_by_brute_force(vertebra_frame: &LocalFrame, from_x: f64, to_x: f64, cuts: &[Block]) -> f64 {
    const STEP: f64 = 0.4;
    // The blocks that stand about the left foramen, with what was cut as the only thing that opens them.
    let boxes: [[[f64; 3]; 2]; 7] = [
        [[-20.0, -36.0, 5.0], [20.0, -9.0, 29.0]],
        [[12.0, -10.0, 15.0], [20.0, 4.0, 26.0]],
        [[10.0, 3.0, 15.0], [16.0, 10.0, 19.0]],
        [[12.0, 5.0, -8.0], [17.2, 14.0, 7.0]],
        [[18.8, -3.0, -19.0], [23.0, 12.0, 8.0]],
        [[-19.0, -35.0, -5.0], [19.0, -8.0, 5.0]],
        [[-11.0, 8.0, -15.0], [11.0, 12.0, 6.0]],
    ];
    let room = |p: [f64; 3]| {
        let whole = |(low, high): ([f64; 3], [f64; 3])| block(p, low, high);
        let distance = |[low, high]: [[f64; 3]; 2]| {
            // A cut here takes a slab from the front of a box: what is left is a smaller box.
            let mut low = low;
            for b in cuts {
                let covers = (0..3).all(|k| k == 1 || b.low[k] <= low[k].max(p[k] - 9.0) && b.high[k] >= high[k].min(p[k] + 9.0));
                if covers && b.low[1] <= low[1] {
                    low[1] = low[1].max(b.high[1]);
                }
            }
            whole((low, high))
        };
        boxes.into_iter().map(distance).fold(f64::INFINITY, f64::min)
    };
    let [a, b] = ROOT_MM;
    let ab: [f64; 3] = std::array::from_fn(|k| b[k] - a[k]);
    let low: [f64; 3] = std::array::from_fn(|k| a[k].min(b[k]) - 5.0);
    let counts: [usize; 3] = std::array::from_fn(|k| ((ab[k].abs() + 10.0) / STEP) as usize + 1);
    let at = |n: usize| {
        let node = [n % counts[0], n / counts[0] % counts[1], n / (counts[0] * counts[1])];
        [0, 1, 2].map(|k| low[k] + node[k] as f64 * STEP)
    };
    let all = counts.iter().product::<usize>();
    let rooms: Vec<f64> = (0..all).map(|n| if segment(at(n), a, b) <= 4.0 { room(at(n)) } else { -1.0 }).collect();
    let x = |n: usize| vertebra_frame.local(at(n))[0];
    let mut widest = 0.0;
    'probe: for probe in 1..=16 {
        let radius = f64::from(probe) / 4.0;
        let mut seen: Vec<bool> = (0..all).map(|n| rooms[n] >= radius && x(n) < from_x).collect();
        loop {
            let mut changed = false;
            for n in 0..all {
                if seen[n] || rooms[n] < radius {
                    continue;
                }
                let node = [n % counts[0], n / counts[0] % counts[1], n / (counts[0] * counts[1])];
                let touches = (0..27_usize).any(|k| {
                    let d = [k % 3, k / 3 % 3, k / 9];
                    let other: [usize; 3] = std::array::from_fn(|a| (node[a] + d[a]).wrapping_sub(1));
                    (0..3).all(|a| other[a] < counts[a]) && seen[other[0] + counts[0] * (other[1] + counts[1] * other[2])]
                });
                if touches {
                    seen[n] = true;
                    changed = true;
                    if x(n) > to_x {
                        widest = f64::from(probe) / 2.0;
                        continue 'probe;
                    }
                }
            }
            if !changed {
                return widest;
            }
        }
    }
    widest
}

/// Proves that the foramen's probe is brute force's, to one probe, and grows when the front of the superior process is undercut.
#[test]
fn foramen_probe_equals_brute_force() {
    let patient = boxes(0.4, UPRIGHT);
    let anatomy = Anatomy::find(&patient).unwrap();
    let v = anatomy.vertebra(Label::lumbar(4)).unwrap();
    let way = ForamenWay::find(&patient, v, Side::Left).unwrap();
    let undercut = [Block { low: [17.0, -5.0, -20.0], high: [25.0, -0.5, 9.0], classes: BONE }];
    let mut seen = Vec::new();
    for cuts in [&[][..], &undercut] {
        let cut = state(&patient, cuts);
        let got = f64::from(way.probe_tenth_mm(&patient, &cut)) / 10.0;
        let wanted = probe_by_brute_force(&v.frame, 12.0, 20.0, cuts);
        println!("probe {got} wanted {wanted}");
        assert!((got - wanted).abs() <= 0.5, "{got} mm, not {wanted}");
        seen.push(got);
    }
    assert!(seen[0] >= 2.0 && seen[1] > seen[0] + 0.9, "{seen:?}");
    // The fixture has no right root: nothing is claimed there.
    assert!(ForamenWay::find(&patient, v, Side::Right).is_none());
}
