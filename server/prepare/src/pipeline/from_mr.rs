//! The dural sac as the MR shows it, in a case that lies in the CT's frame.
//!
//! A CT without contrast shows the canal's walls and hardly what lies between them; an MR shows the sac. It is found in the MR, baked there,
//! and carried over by the registration: where bones move apart by their blend ([`Warp`]), as the case's MR slices are. What comes over is held
//! against the CT's bones before it is believed: it must lie where they close around the canal, and hardly in bone. Where the MR ends, or what
//! was found leaves the canal, the case keeps what it would have without the MR, and says so.

use rayon::prelude::*;
use spinor_volume::query::{sdf_mm, volume_mm3};
use spinor_volume::{BRICK, BrickIndex, BrickState, Grid, Label, Source, SparseField, Structure, TissueClass};
use thiserror::Error;

use super::coverage::extent_z_mm;
use super::drawn::Drawn;
use crate::bake::block::Block;
use crate::bake::canal::{canal_at, keep_off_bone, spine_curve, union, without_side_spaces, without_strays};
use crate::bake::pieces::keep_large_pieces;
use crate::bake::quantise::sparse_field;
use crate::bake::redistance::redistance;
use crate::bake::{BakeOptions, Baked, StructureReport, bake};
use crate::register::{Registration, Warp};
use crate::vector::{V3, dot, sub};
use crate::volume3d::{Geometry, Image};

/// Step of the lattice on which places are carried to the MR; between them they are interpolated, mm.
const LATTICE_MM: f64 = 2.0;
/// Around the sac, mm.
const MARGIN_MM: f64 = 6.0;
/// What the MR shows around a place of the canal for the sac to be seen there: to the sides, front and back, up and down, mm.
const AROUND_MM: V3 = [9.0, 6.0, 3.0];
/// Nearer to the MR's edge a sac is rounded off by baking, mm.
const EDGE_MM: f64 = 2.5;
/// The canal's widest place lies in the sac, or as near as this behind it, where fat is, mm.
const BESIDE_MM: f64 = 1.5;
/// Share of the places at which bone closes around the canal and the MR shows it that the sac must be met at, and number of them: they lie a
/// millimetre apart, over a third of the spine.
const LEAST_SHARE: f64 = 0.8;
const LEAST: usize = 8;
/// So many places in a row without a sac do not end it: holes in the bone beside the canal.
const GAP: usize = 4;
/// Largest share of it that may lie in bone: borders of two models touch, but what is in the canal is not in bone. A phantom's (1000) had 0.0003.
const MOST_IN_BONE: f64 = 0.05;
/// Below this agreement with the mirrored image a sac is pointed out.
const POOR_AGREEMENT: f64 = 0.8;
/// How far outside a place is where nothing is near, mm.
const FAR_MM: f32 = 6.0;
/// What is joined from elsewhere is told from this volume on, mm³.
const TOLD_MM3: f64 = 200.0;

/// A sac as it was found in the MR.
pub(super) struct Found {
    /// Holds [`Label::DURAL_SAC`], in the MR's own frame; a cord in it may be apart as [`Label::SPINAL_CORD`].
    pub(super) labels: Image<u16>,
    pub(super) source: Source,
    pub(super) confidence: Option<f64>,
    /// How far its surface may be off in the MR, mm.
    pub(super) uncertainty_mm: f64,
    /// Who found it, as in "found by ...".
    pub(super) by: String,
    /// What was measured of that.
    pub(super) quality: Option<String>,
}

/// Why the case's sac is not the MR's.
#[derive(Clone, Debug, Error, PartialEq)]
pub(super) enum NotTaken {
    #[error("the MR is not registered to the CT")]
    Unregistered,
    #[error("the registration is not verified")]
    Unverified,
    #[error("no model could look for it there ({0})")]
    Model(String),
    #[error("none was found in it")]
    NotFound,
    #[error("the CT's vertebrae do not close around a canal that it could be held against")]
    NoCanal,
    #[error("the MR shows the canal beside none of the CT's vertebrae, or hardly")]
    NotShown,
    #[error("what was found there runs through {percent:.0} % of the canal that the MR shows, and misses the rest")]
    OutsideCanal { percent: f64 },
    #[error("{percent:.0} % of what was found there would lie in the CT's bone")]
    InBone { percent: f64 },
}

/// A sac in the CT's frame.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) structure: Structure,
    /// Volume of the voxels in the MR, mm³.
    pub(super) label_volume_mm3: f64,
    /// Bones beside which it is as the MR shows it, and those beside which it is not.
    pub(super) seen: Vec<Label>,
    pub(super) unseen: Vec<Label>,
    /// The source of what it was joined with where the MR does not show it.
    pub(super) joined: Option<Source>,
}

/// Whether a sac of the MR has a place in the case: the user gave none.
pub(super) fn wanted(given: Option<&Image<u16>>, drawn: &[Drawn]) -> bool {
    let holds = |labels: &Image<u16>| labels.voxels.contains(&Label::DURAL_SAC.0);
    !given.is_some_and(holds) && !drawn.iter().any(|d| holds(&d.labels))
}

/// Brings a sac from the MR into the frame of some structures. `before` is the sac that the case would have without it.
pub(super) fn place(
    grid: &Grid,
    structures: &[Structure],
    found: &Found,
    mr: &Geometry,
    registration: &Registration,
    before: Option<&Structure>,
) -> Result<Placed, NotTaken> {
    if !registration.verified {
        return Err(NotTaken::Unverified);
    }
    let own = baked(found, grid.spacing_mm())?;
    let sac = own.structures.first().ok_or(NotTaken::NotFound)?;
    let bones: Vec<&Structure> = structures.iter().filter(|s| s.class == TissueClass::Bone).collect();
    let bone = union(grid, &bones);
    let canal = canal(grid, &bone, &bones).ok_or(NotTaken::NoCanal)?;

    let warp = Warp::of(grid, structures, &registration.motions(), registration.mr_from_ct);
    let around = extent(&own.grid, sac, |p| warp.ct_from_mr(p)).joined(before.map(|s| extent(grid, s, |p| p)));
    let mut block = around.block(grid).ok_or(NotTaken::NotFound)?;
    let there = There::new(&block, &warp).ok_or(NotTaken::NotFound)?;
    each(&mut block, |_, p| sdf_mm(&own.grid, &sac.sdf, there.at(p)) as f32);

    let shown = Shown { geometry: mr };
    let run = run(&block, &canal, |p| shown.around(&warp, p))?;
    let mut otherwise = block.like();
    each(&mut otherwise, |_, p| before.map_or(FAR_MM, |s| sdf_mm(grid, &s.sdf, p) as f32));
    let mut believed = block.like();
    each(&mut believed, |_, p| if run.holds(p) && shown.at(there.at(p)) { 1.0 } else { 0.0 });
    let mut from_before = 0_usize;
    for at in (0..block.values.len()).filter(|at| believed.values[*at] == 0.0) {
        block.values[at] = otherwise.values[at];
        from_before += usize::from(otherwise.values[at] < 0.0);
    }
    drop((otherwise, believed));
    let joined = before.filter(|_| from_before as f64 * block.h.powi(3) > TOLD_MM3);

    let inside = |block: &Block| block.values.iter().filter(|v| **v < 0.0).count() as f64;
    let whole = inside(&block);
    keep_off_bone(grid, &bone, &mut block, 0.0);
    let percent = 100.0 * (1.0 - inside(&block) / whole.max(1.0));
    if percent > 100.0 * MOST_IN_BONE {
        return Err(NotTaken::InBone { percent });
    }
    // What people labelled or drew stays as it is, but a cord lies in its sac.
    for other in structures.iter().filter(|s| s.class != TissueClass::Bone) {
        if other.label == Label::SPINAL_CORD {
            each(&mut block, |value, p| value.min(sdf_mm(grid, &other.sdf, p) as f32));
        } else if matches!(other.source, Source::Labelled | Source::Contoured) && other.label != Label::DURAL_SAC {
            keep_off_bone(grid, &other.sdf, &mut block, 0.0);
        }
    }
    keep_large_pieces(&mut block, false);
    let span = span_z(&block).ok_or(NotTaken::NotFound)?;
    redistance(&mut block);
    let sdf = sparse_field(grid, &block);

    let (low, high) = run.span_z(span);
    let middle = |bone: &Structure| {
        let (from, to) = extent_z_mm(grid, bone)?;
        // A sac ends in the sacrum: beside its upper part is enough.
        Some(from + if bone.label == Label::SACRUM { 0.75 } else { 0.5 } * (to - from))
    };
    let beside = |bone: &Structure| middle(bone).is_some_and(|z| (low..=high).contains(&z));
    let (seen, unseen): (Vec<&Structure>, Vec<&Structure>) = bones.iter().partition(|bone| beside(bone));
    let said = |label: Label| registration.bones.iter().find(|b| b.label == label).map_or(0.0, |b| b.uncertainty_mm);
    let moved_mm = seen.iter().map(|bone| said(bone.label)).fold(0.0, f64::max);
    let mut uncertainty_mm = found.uncertainty_mm.max(f64::from(sac.uncertainty_mm)).hypot(moved_mm) as f32;
    uncertainty_mm = (uncertainty_mm.max(joined.map_or(0.0, |s| s.uncertainty_mm)) * 10.0).round() / 10.0;
    // What is partly a proposal is one.
    let source = if joined.is_some_and(|s| s.source == Source::Proposed) { Source::Proposed } else { found.source };
    let structure = Structure {
        label: Label::DURAL_SAC,
        class: TissueClass::Neural,
        source,
        uncertainty_mm,
        volume_mm3: volume_mm3(grid, &sdf),
        sdf,
    };
    let labels = |bones: Vec<&Structure>| bones.into_iter().map(|b| b.label).collect();
    Ok(Placed {
        structure,
        label_volume_mm3: own.reports.first().map_or(0.0, |r| r.label_volume_mm3),
        seen: labels(seen),
        unseen: labels(unseen),
        joined: joined.map(|s| s.source),
    })
}

impl Placed {
    /// What a case says of it.
    pub(super) fn says(&self, found: &Found) -> String {
        let levels = |bones: &[Label]| bones.iter().filter_map(|b| b.level()).collect::<Vec<_>>().join(", ");
        let mm = self.structure.uncertainty_mm;
        let mut said = format!(
            "The dural sac was found in the MR by {} and brought to the CT by the registration (beside {}); no pair of real scans was there to \
             measure how well. The alarm guards it with {mm:.1} mm of uncertainty, the registration's with it.",
            found.by,
            levels(&self.seen)
        );
        if let Some(quality) = &found.quality {
            said += &format!(" {quality}");
        }
        if let Some(confidence) = found.confidence.filter(|c| *c < POOR_AGREEMENT) {
            said += &format!(" In the mirrored MR it is found otherwise (Dice of the two {confidence:.2}): look at it first.");
        }
        let elsewhere = match self.joined {
            None if self.unseen.is_empty() => return said,
            None => "there is none there",
            Some(Source::Proposed) => "there it is proposed from the bones",
            Some(_) => "there it is what was found in the CT, where a sac hardly shows",
        };
        let place = if self.unseen.is_empty() { "at its ends".to_owned() } else { format!("beside {}", levels(&self.unseen)) };
        said += &format!(" The MR does not show it {place}, or what was found there leaves the canal: {elsewhere}.");
        said
    }
}

/// Puts a sac in the place of what was there, and takes what it fills from structures that a model found.
pub(super) fn put(baked: &mut Baked, placed: &Placed) {
    let sac = &placed.structure;
    if let Some(at) = baked.structures.iter().position(|s| s.label == sac.label) {
        baked.structures.remove(at);
        baked.reports.remove(at);
    }
    for structure in &mut baked.structures {
        if structure.class != TissueClass::Bone && structure.label != Label::SPINAL_CORD && structure.source == Source::Segmented
        {
            yield_to(&baked.grid, structure, &sac.sdf);
        }
    }
    let at = baked.structures.partition_point(|s| s.label < sac.label);
    let report = StructureReport {
        label: sac.label,
        label_volume_mm3: placed.label_volume_mm3,
        pieces: 1,
        dropped_mm3: 0.0,
        mean_edge_shift_mm: None,
        at_border: false,
    };
    baked.structures.insert(at, sac.clone());
    baked.reports.insert(at, report);
}

/// Takes what another field fills out of a structure.
fn yield_to(grid: &Grid, structure: &mut Structure, other: &SparseField) {
    let bricks: Vec<BrickIndex> = other.stored().map(|(brick, _)| brick).chain(other.inside()).collect();
    let mut changed = false;
    for brick in bricks {
        if matches!(structure.sdf.brick(brick), BrickState::Outside) {
            continue;
        }
        let taken = |at: usize| match other.brick(brick) {
            BrickState::Outside => 127,
            BrickState::Inside => -127,
            BrickState::Samples(samples) => samples[at],
        };
        if let Some(samples) = structure.sdf.brick_mut(brick) {
            for (at, sample) in samples.iter_mut().enumerate() {
                let left = (-taken(at)).max(*sample);
                changed |= left != *sample;
                *sample = left;
            }
        }
    }
    if changed {
        structure.volume_mm3 = volume_mm3(grid, &structure.sdf);
    }
}

/// The sac with its cord, baked alone in the MR's frame.
fn baked(found: &Found, spacing_mm: f64) -> Result<Baked, NotTaken> {
    let one = found.labels.map(|n| if n == Label::DURAL_SAC.0 || n == Label::SPINAL_CORD.0 { Label::DURAL_SAC.0 } else { 0 });
    bake(&one, None, &BakeOptions { spacing_mm, source: found.source, ..BakeOptions::default() }).map_err(|_| NotTaken::NotFound)
}

/// A place of the canal and the direction up the spine there.
type Middle = (V3, V3);

/// Places in the middle of the canal, a millimetre apart where its bone closes around it, from foot to head; none where it nowhere does.
fn canal(grid: &Grid, bone: &SparseField, bones: &[&Structure]) -> Option<Vec<Middle>> {
    let curve = spine_curve(grid, bones)?;
    let rings: Vec<Option<(V3, f64)>> = curve.par_iter().map(|(at, up)| canal_at(grid, bone, *at, *up)).collect();
    let rings = without_strays(&without_side_spaces(&rings));
    let middles: Vec<Middle> = rings.into_iter().zip(curve).filter_map(|(ring, (_, up))| Some((ring?.0, up))).collect();
    (!middles.is_empty()).then_some(middles)
}

/// What the MR shows.
struct Shown<'a> {
    geometry: &'a Geometry,
}

impl Shown<'_> {
    /// Whether a place of the MR lies in it, off its edge.
    fn at(&self, in_mr: V3) -> bool {
        let g = self.geometry;
        let index = g.index_from_patient(in_mr);
        (0..3).all(|k| {
            let edge = EDGE_MM / g.spacing_mm[k] - 0.5;
            (edge..=g.size[k] as f64 - 1.0 - edge).contains(&index[k])
        })
    }

    /// Whether it shows what lies around a place of the CT.
    fn around(&self, warp: &Warp<'_>, p: V3) -> bool {
        let beside = (0..6).map(|n| {
            let mut q = p;
            q[n / 2] += if n % 2 == 0 { AROUND_MM[n / 2] } else { -AROUND_MM[n / 2] };
            q
        });
        beside.chain([p]).all(|q| self.at(warp.mr_from_ct(q)))
    }
}

/// The stretch of the canal in which the sac is believed: beyond its ends, where it has any, it is not.
struct Run {
    foot: Option<Middle>,
    head: Option<Middle>,
}

impl Run {
    fn holds(&self, p: V3) -> bool {
        let along = |end: &Middle| dot(sub(p, end.0), end.1);
        self.foot.as_ref().is_none_or(|end| along(end) >= 0.0) && self.head.as_ref().is_none_or(|end| along(end) <= 0.0)
    }

    /// Lowest and highest place of it, of a sac that reaches so far.
    fn span_z(&self, (low, high): (f64, f64)) -> (f64, f64) {
        (self.foot.map_or(low, |end| end.0[2]), self.head.map_or(high, |end| end.0[2]))
    }
}

/// What is known of a place of the canal.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    /// The MR does not show it.
    Hidden,
    /// The sac is there, or is not.
    Met,
    Missed,
}

/// Holds a carried sac against the canal.
fn run(block: &Block, canal: &[Middle], shown: impl Fn(V3) -> bool + Sync) -> Result<Run, NotTaken> {
    let met = |p: V3| block.place(p).is_some_and(|at| f64::from(block.values[at]) < BESIDE_MM);
    let look = |(p, _): &Middle| match shown(*p) {
        false => Place::Hidden,
        true if met(*p) => Place::Met,
        true => Place::Missed,
    };
    let places: Vec<Place> = canal.par_iter().map(look).collect();
    let ends = longest(&places)?;
    // A few places at an end are holes beside the canal, or the MR's edge.
    let cut = |beyond: &[Place], n: usize| (beyond.iter().filter(|p| **p != Place::Met).count() > GAP).then(|| canal[n]);
    Ok(Run { foot: cut(&places[..ends[0]], ends[0]), head: cut(&places[ends[1] + 1..], ends[1]) })
}

/// First and last place of the longest stretch in which the sac was met.
fn longest(places: &[Place]) -> Result<[usize; 2], NotTaken> {
    let count = |what| places.iter().filter(|place| **place == what).count();
    let (met, missed) = (count(Place::Met), count(Place::Missed));
    if met + missed < LEAST {
        return Err(NotTaken::NotShown);
    }
    if (met as f64) < LEAST_SHARE * (met + missed) as f64 {
        return Err(NotTaken::OutsideCanal { percent: 100.0 * met as f64 / (met + missed) as f64 });
    }
    let met: Vec<usize> = (0..places.len()).filter(|n| places[*n] == Place::Met).collect();
    match met.chunk_by(|a, b| b - a <= GAP + 1).max_by_key(|run| run.len()) {
        Some(&[first, .., last]) if last - first >= LEAST => Ok([first, last]),
        _ => Err(NotTaken::NotShown),
    }
}

/// A box in LPS mm.
#[derive(Clone, Copy)]
struct Reach {
    low: V3,
    high: V3,
}

impl Reach {
    fn joined(self, other: Option<Self>) -> Self {
        let Some(other) = other else { return self };
        Self { low: [0, 1, 2].map(|k| self.low[k].min(other.low[k])), high: [0, 1, 2].map(|k| self.high[k].max(other.high[k])) }
    }

    /// The part of a grid's lattice that it covers; none where it lies elsewhere.
    fn block(&self, grid: &Grid) -> Option<Block> {
        let last = grid.patient_from_index(grid.voxels().map(|n| f64::from(n - 1)));
        let low = [0, 1, 2].map(|k| (self.low[k] - MARGIN_MM).max(grid.origin_mm()[k]));
        let high = [0, 1, 2].map(|k| (self.high[k] + MARGIN_MM).min(last[k]));
        (0..3).all(|k| low[k] < high[k]).then(|| Block::covering(low, high, grid.spacing_mm()))
    }
}

/// Where a structure's bricks come to lie.
fn extent(grid: &Grid, structure: &Structure, moved: impl Fn(V3) -> V3 + Sync) -> Reach {
    let stored = structure.sdf.stored().filter(|(_, samples)| samples.iter().any(|s| *s < 0)).map(|(brick, _)| brick);
    let bricks: Vec<BrickIndex> = stored.chain(structure.sdf.inside()).collect();
    let half = BRICK as f64 / 2.0;
    let around = half * 3.0_f64.sqrt() * grid.spacing_mm();
    let centre =
        |brick: &BrickIndex| grid.patient_from_index(grid.brick_coords(*brick).map(|v| f64::from(v) * BRICK as f64 + half));
    let none = Reach { low: [f64::INFINITY; 3], high: [f64::NEG_INFINITY; 3] };
    let places: Vec<V3> = bricks.par_iter().map(|brick| moved(centre(brick))).collect();
    places.into_iter().fold(none, |all, p| all.joined(Some(Reach { low: p.map(|v| v - around), high: p.map(|v| v + around) })))
}

/// Where the places of a block lie in the MR.
struct There {
    /// Position in the MR, LPS mm, one coordinate an image.
    places: [Image<f32>; 3],
}

impl There {
    fn new(block: &Block, warp: &Warp<'_>) -> Option<Self> {
        let low = block.first.map(|v| f64::from(v) * block.h);
        let size = block.size.map(|n| ((n - 1) as f64 * block.h / LATTICE_MM).ceil() as usize + 1);
        let geometry = Geometry::axis_aligned(size, [LATTICE_MM; 3], low).ok()?;
        let all: Vec<V3> = (0..geometry.voxel_count())
            .into_par_iter()
            .with_min_len(256)
            .map(|at| warp.mr_from_ct(geometry.patient_from_index(geometry.index_of(at).map(|v| v as f64))))
            .collect();
        let places = [0, 1, 2].map(|k| Image { geometry, voxels: all.iter().map(|p| p[k] as f32).collect() });
        Some(Self { places })
    }

    fn at(&self, p: V3) -> V3 {
        let g = &self.places[0].geometry;
        let index = [0, 1, 2].map(|k| ((p[k] - g.origin_mm[k]) / LATTICE_MM).clamp(0.0, g.size[k] as f64 - 1.0));
        [0, 1, 2].map(|k| self.places[k].trilinear(index).unwrap_or(f64::INFINITY))
    }
}

/// Changes a block by value and position in the CT.
fn each(block: &mut Block, value: impl Fn(f32, V3) -> f32 + Sync) {
    let (h, first, [nx, ny, _]) = (block.h, block.first, block.size);
    block.values.par_chunks_mut(nx).enumerate().for_each(|(row, values)| {
        let (y, z) = (first[1] + (row % ny) as i32, first[2] + (row / ny) as i32);
        for (x, out) in values.iter_mut().enumerate() {
            *out = value(*out, [first[0] + x as i32, y, z].map(|v| f64::from(v) * h));
        }
    });
}

/// Lowest and highest place of a block that is inside, mm.
fn span_z(block: &Block) -> Option<(f64, f64)> {
    let plane = (block.size[0] * block.size[1]).max(1);
    let holds = |values: &[f32]| values.iter().any(|v| *v < 0.0);
    let planes: Vec<bool> = block.values.chunks(plane).map(holds).collect();
    let z = |k: usize| f64::from(block.first[2] + k as i32) * block.h;
    Some((z(planes.iter().position(|p| *p)?), z(planes.iter().rposition(|p| *p)?)))
}

#[cfg(test)]
mod tests;
