//! The room that the dural sac has, slice by slice across the canal's axis.
//!
//! Before any cut the area is that of the sac as it was imaged. What is removed gives room; the sac takes it, but never more than the room
//! gained, and never beyond its own unstenosed outline. docs/MEASURES.md defines it step by step.

use super::anatomy::{Anatomy, Level};
use super::frame::{LocalFrame, Side};
use super::raster::{Raster, STEP_MM};
use super::ray::enter;
use super::tissue::Tissue;
use super::vertebra::Vertebra;
use super::{um, um2};
use crate::cut::CutState;
use crate::label::{Label, TissueClass};
use crate::patient::Patient;

/// The rectangle about the axis in which a slice is looked at, mm.
const LOW_MM: [f64; 2] = [-17.0, -13.0];
const HIGH_MM: [f64; 2] = [17.0, 20.0];
/// Radius of the narrowest way through which the sac spreads into room gained, mm (K): it does not enter a crack.
const SPREAD_MM: f64 = 2.0;
/// How far the unstenosed outline may lie behind where the imaged sac's front puts it, mm, and in what steps.
const SHIFT_MM: f64 = 6.0;
const SHIFT_STEP_MM: f64 = 0.5;
/// Distance between two columns in which a facet's posterior edge is looked for, mm.
const COLUMN_MM: f64 = 0.5;
/// Room gained counts up to this far beside the midline where no pedicle bounds the canal, mm.
const WIDEST_MM: f64 = 15.0;

/// One slice across the canal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CanalSlice {
    /// Place of the slice on the canal's axis, µm from its lower end.
    pub along_um: i32,
    /// Area of the dural sac as imaged, µm².
    pub imaged_um2: i64,
    /// Area of the sac's unstenosed outline here, µm².
    pub unstenosed_um2: i64,
    /// Room that cuts have opened to the sac here, µm².
    pub gained_um2: i64,
    /// Area that the sac has now, µm²: between `imaged_um2` and the greater of it and `unstenosed_um2`.
    pub free_um2: i64,
}

/// An ellipse across the canal: half-axes to the side and from front to back, mm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Outline {
    half_mm: [f64; 2],
}

/// The sac's section in one slice: middle of its width, its front, its area, and an ellipse like it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Section {
    x_mm: f64,
    front_mm: f64,
    area_mm2: f64,
    outline: Outline,
}

/// What does not change with cuts in one slice.
#[derive(Clone, Debug, PartialEq)]
struct Slice {
    along_mm: f64,
    frame: LocalFrame,
    section: Section,
    outline: Outline,
    /// Half the canal's width, mm.
    half_width_mm: f64,
}

/// A level's canal before any cut.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Canal {
    slices: Vec<Slice>,
    /// Structures that bound the sac: bones, disc, flava of this level and of those beside it.
    walls: Vec<usize>,
    /// Bones whose facets bound it behind.
    bones: [usize; 2],
}

/// Everything at the nodes of one slice.
struct Nodes {
    sac: Vec<f64>,
    before: Vec<f64>,
    after: Vec<f64>,
    /// Positive behind the line between the facets.
    line: Vec<f64>,
}

impl Canal {
    /// A level's slices, a millimetre apart from the middle of the lower pedicles to that of the upper ones.
    pub(super) fn find(patient: &Patient, anatomy: &Anatomy, level: &Level) -> Self {
        let (upper, lower) = (anatomy.upper(level), anatomy.lower(level));
        let raster = raster();
        let height = |v: &Vertebra| {
            let middles: Vec<f64> = Side::BOTH.iter().filter_map(|s| v.pedicle_mm(*s)).map(|p| anatomy.axis().along(p)).collect();
            if middles.is_empty() { v.along_mm } else { middles.iter().sum::<f64>() / middles.len() as f64 }
        };
        let frame = |along: f64| {
            let on_axis = anatomy.axis().section(along, level.joint.frame.left)?;
            // x = 0 on the level's midline plane.
            Some(on_axis.moved([-level.joint.frame.local(on_axis.origin_mm)[0], 0.0, 0.0]))
        };
        let (low, high) = (height(lower), height(upper));
        let section = |along: f64| frame(along).and_then(|frame| section(patient, &raster, &frame));
        let ends = [section(low), section(high)].map(|s| s.map(|s| s.outline));
        let half_width_mm = Side::BOTH
            .iter()
            .filter_map(|side| upper.pedicle(*side).map(|p| p.medial_mm))
            .chain(Side::BOTH.iter().filter_map(|side| lower.pedicle(*side).map(|p| p.medial_mm)))
            .fold(f64::INFINITY, f64::min)
            .min(WIDEST_MM);
        let count = (high - low).max(0.0) as u32;
        let slices = (0..=count)
            .filter_map(|k| {
                let along_mm = low + f64::from(k);
                let frame = frame(along_mm)?;
                let section = section(along_mm)?;
                let outline = unstenosed(&section, ends, if high > low { (along_mm - low) / (high - low) } else { 0.0 });
                Some(Slice { along_mm, frame, section, outline, half_width_mm })
            })
            .collect();
        let near = |s: &crate::patient::Structure| s.class != TissueClass::Neural;
        let walls = patient.structures().iter().enumerate().filter(|(_, s)| near(s)).map(|(k, _)| k).collect();
        Self { slices, walls, bones: [upper.structure, lower.structure] }
    }

    /// The slices as they are now, from the lowest to the highest.
    pub(super) fn measure(&self, patient: &Patient, level: &Level, cut: &CutState) -> Vec<CanalSlice> {
        let raster = raster();
        let edges: Vec<[Option<[f64; 2]>; 2]> = self.slices.iter().map(|slice| self.edges(patient, level, cut, slice)).collect();
        let one = |(k, slice): (usize, &Slice)| {
            let imaged = slice.section.area_mm2;
            let (gained, free) = match self.nodes(patient, cut, &raster, slice, line(&edges, k)) {
                // Nothing that bounds the sac in this slice was cut.
                nodes if nodes.before == nodes.after => (0.0, imaged),
                nodes => {
                    let gained = room_gained(&raster, &nodes, slice);
                    let expanded = expanded(&raster, &nodes, slice);
                    (gained, imaged + gained.min((expanded - imaged).max(0.0)))
                }
            };
            CanalSlice {
                along_um: um(slice.along_mm),
                imaged_um2: um2(imaged),
                unstenosed_um2: um2(slice.outline.area_mm2()),
                gained_um2: um2(gained),
                free_um2: um2(free),
            }
        };
        self.slices.iter().enumerate().map(one).collect()
    }

    fn nodes(&self, patient: &Patient, cut: &CutState, raster: &Raster, slice: &Slice, line: Option<[[f64; 2]; 2]>) -> Nodes {
        let walls = Tissue::new(patient, cut, self.walls.iter().copied().filter(|k| meets(patient, *k, &slice.frame)));
        let sac = neural(patient, cut);
        let count = raster.len();
        let mut nodes = Nodes {
            sac: Vec::with_capacity(count),
            before: Vec::with_capacity(count),
            after: Vec::with_capacity(count),
            line: Vec::new(),
        };
        for node in 0..count {
            let at = raster.patient(&slice.frame, node);
            let d = walls.distances(at);
            nodes.before.push(d.before);
            nodes.after.push(d.after);
            nodes.sac.push(sac.distances(at).before);
        }
        nodes.line = (0..count)
            .map(|node| {
                let [x, y] = raster.at(node);
                match line {
                    Some([[lx, ly], [rx, ry]]) if lx - rx > 1.0 => {
                        let (slope, long) = ((ly - ry) / (lx - rx), lx - rx);
                        let tilt = ((ly - ry) * (ly - ry) + long * long).sqrt() / long;
                        (y - ry - slope * (x - rx)) / tilt
                    }
                    _ => f64::NEG_INFINITY,
                }
            })
            .collect();
        nodes
    }

    /// The most posterior place of what is left of each facet in a slice: x and y.
    fn edges(&self, patient: &Patient, level: &Level, cut: &CutState, slice: &Slice) -> [Option<[f64; 2]>; 2] {
        let bones = Tissue::new(patient, cut, self.bones);
        Side::BOTH.map(|side| {
            let facet = level.joint.facet(side)?;
            let (near, far) = (facet.medial_mm, facet.lateral_mm + 2.0);
            let behind = facet.back_mm + 7.0;
            let columns = ((far - near) / COLUMN_MM).ceil().max(1.0) as u32;
            let mut best: Option<[f64; 2]> = None;
            for k in 0..=columns {
                let x = side.sign() * (near + (far - near) * f64::from(k) / f64::from(columns));
                let forwards = slice.frame.direction([0.0, -1.0, 0.0]);
                let way = enter(|p| bones.after(p), slice.frame.patient([x, behind, 0.0]), forwards, behind);
                if let Some(y) = way.map(|way| behind - way)
                    && best.is_none_or(|b| y > b[1])
                {
                    best = Some([x, y]);
                }
            }
            best
        })
    }
}

fn raster() -> Raster {
    Raster::new(LOW_MM, HIGH_MM)
}

fn neural<'a>(patient: &'a Patient, cut: &'a CutState) -> Tissue<'a> {
    let places = patient.structures().iter().enumerate();
    Tissue::new(patient, cut, places.filter(|(_, s)| [Label::SPINAL_CORD, Label::DURAL_SAC].contains(&s.label)).map(|(k, _)| k))
}

/// Whether a structure has a brick near a slice's rectangle.
fn meets(patient: &Patient, structure: usize, frame: &LocalFrame) -> bool {
    let grid = patient.grid();
    let Some(s) = patient.structures().get(structure) else { return false };
    // Corners of the rectangle and places between them, a brick apart at most.
    let step = 8.0 * grid.spacing_mm();
    let count = |k: usize| ((HIGH_MM[k] - LOW_MM[k]) / step).ceil() as u32;
    (0..=count(1)).any(|j| {
        (0..=count(0)).any(|i| {
            let at = frame.patient([LOW_MM[0] + f64::from(i) * step, LOW_MM[1] + f64::from(j) * step, 0.0]);
            let voxel = grid.index_from_patient(at).map(|v| v.round() as i32);
            // The brick itself and its neighbours.
            (0..27).any(|n| {
                let d = [n % 3 - 1, n / 3 % 3 - 1, n / 9 - 1];
                let near = [0, 1, 2].map(|k| (voxel[k].div_euclid(16)) + d[k]);
                grid.brick_at(near).is_some_and(|brick| s.sdf.brick(brick) != crate::field::BrickState::Outside)
            })
        })
    })
}

/// The line between the two facets' posterior edges in a slice: each side's edge in this slice, else in the nearest that has one; where one
/// side has none at all, the other side's mirrored. Left, then right.
fn line(edges: &[[Option<[f64; 2]>; 2]], slice: usize) -> Option<[[f64; 2]; 2]> {
    let nearest = |side: Side| {
        let with = (0..edges.len()).filter(|k| edges[*k][side as usize].is_some());
        with.min_by_key(|k| k.abs_diff(slice)).and_then(|k| edges[k][side as usize])
    };
    match (nearest(Side::Left), nearest(Side::Right)) {
        (Some(left), Some(right)) => Some([left, right]),
        (Some([x, y]), None) => Some([[x, y], [-x, y]]),
        (None, Some([x, y])) => Some([[-x, y], [x, y]]),
        (None, None) => None,
    }
}

/// The sac's section in a plane; none where it has none.
fn section(patient: &Patient, raster: &Raster, frame: &LocalFrame) -> Option<Section> {
    let none = CutState::new(patient.grid());
    let sac = neural(patient, &none);
    let value: Vec<f64> = (0..raster.len()).map(|node| sac.distances(raster.patient(frame, node)).before).collect();
    let area_mm2 = raster.area_mm2(&value);
    let inside: Vec<[f64; 2]> = (0..raster.len()).filter(|k| value[*k] < 0.0).map(|k| raster.at(k)).collect();
    if area_mm2 < 5.0 || inside.is_empty() {
        return None;
    }
    let count = inside.len() as f64;
    let x_mm = inside.iter().map(|p| p[0]).sum::<f64>() / count;
    let y_mm = inside.iter().map(|p| p[1]).sum::<f64>() / count;
    let spread = |k: usize, middle: f64| inside.iter().map(|p| (p[k] - middle) * (p[k] - middle)).sum::<f64>() / count;
    // An ellipse of the same area whose width and depth spread alike.
    let ratio = (spread(0, x_mm) / spread(1, y_mm).max(1e-6)).sqrt();
    let depth = (area_mm2 / std::f64::consts::PI / ratio).sqrt();
    // The front wall on the midline of the section, between two nodes.
    let column: Vec<usize> = (0..raster.len()).filter(|k| (raster.at(*k)[0] - x_mm).abs() <= STEP_MM / 2.0).collect();
    let first = column.iter().position(|k| value[*k] < 0.0)?;
    let (node, before) = (column[first], first.checked_sub(1).map(|k| column[k]));
    let part = before.map_or(0.0, |b| value[node] / (value[node] - value[b]));
    let front_mm = raster.at(node)[1] - STEP_MM * part.clamp(0.0, 1.0);
    Some(Section { x_mm, front_mm, area_mm2, outline: Outline { half_mm: [depth * ratio, depth] } })
}

/// The unstenosed outline in a slice: that of the sections beside the pedicles, in proportion; never smaller than the section itself.
fn unstenosed(section: &Section, ends: [Option<Outline>; 2], share: f64) -> Outline {
    let [low, high] = ends;
    let (low, high) = (low.or(high).unwrap_or(section.outline), high.or(low).unwrap_or(section.outline));
    let half_mm = [0, 1].map(|k| low.half_mm[k] + (high.half_mm[k] - low.half_mm[k]) * share.clamp(0.0, 1.0));
    let outline = Outline { half_mm };
    if outline.area_mm2() < section.area_mm2 { section.outline } else { outline }
}

impl Outline {
    fn area_mm2(&self) -> f64 {
        std::f64::consts::PI * self.half_mm[0] * self.half_mm[1]
    }

    /// Negative inside, about the distance near the rim.
    fn value(&self, x: f64, y: f64) -> f64 {
        let [a, b] = self.half_mm.map(|v| v.max(0.1));
        ((x / a * (x / a) + y / b * (y / b)).sqrt() - 1.0) * a.min(b)
    }
}

/// Area of tissue removed in front of the line, between the pedicles, that a ball of [`SPREAD_MM`] reaches from the sac.
fn room_gained(raster: &Raster, nodes: &Nodes, slice: &Slice) -> f64 {
    let sac: Vec<bool> = nodes.sac.iter().map(|d| *d < 0.0).collect();
    let wall: Vec<bool> = nodes.after.iter().zip(&sac).map(|(d, sac)| *d <= 0.0 && !sac).collect();
    let tight = raster.grown(&wall, SPREAD_MM);
    let wide: Vec<bool> = tight.iter().zip(&sac).map(|(tight, sac)| !tight || *sac).collect();
    let reached = raster.grown(&raster.connected(&wide, &sac), SPREAD_MM);
    let value: Vec<f64> = (0..raster.len())
        .map(|k| {
            let beside = raster.at(k)[0].abs() - slice.half_width_mm;
            let v = nodes.before[k].max(-nodes.after[k]).max(nodes.line[k]).max(beside);
            if reached[k] { v } else { v.abs().max(1e-3) }
        })
        .collect();
    raster.area_mm2(&value)
}

/// Area of the unstenosed outline, placed where most of it is free, that is free, in front of the line and joined to the sac.
fn expanded(raster: &Raster, nodes: &Nodes, slice: &Slice) -> f64 {
    let seeds: Vec<bool> = nodes.sac.iter().map(|d| *d < 0.0).collect();
    let steps = (SHIFT_MM / SHIFT_STEP_MM) as u32;
    let mut best = 0.0_f64;
    for k in 0..=steps {
        let y = slice.section.front_mm + slice.outline.half_mm[1] + f64::from(k) * SHIFT_STEP_MM;
        let mut value: Vec<f64> = (0..raster.len())
            .map(|k| {
                let [u, v] = raster.at(k);
                let free = (-nodes.after[k]).max(nodes.line[k]);
                slice.outline.value(u - slice.section.x_mm, v - y).max(nodes.sac[k].min(free))
            })
            .collect();
        let open: Vec<bool> = value.iter().map(|v| *v < 0.0).collect();
        let joined = raster.connected(&open, &seeds);
        for (v, _) in value.iter_mut().zip(&joined).filter(|(v, joined)| **v < 0.0 && !**joined) {
            *v = v.abs().max(1e-3);
        }
        best = best.max(raster.area_mm2(&value));
    }
    best
}
