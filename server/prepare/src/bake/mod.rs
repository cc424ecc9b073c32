//! From a label map and a CT to smooth signed distance fields, one per structure.
//!
//! Labels are drawn on slices of 1-3 mm; the fields live at 0.4 mm. Each label's exact distance to its voxels' boxes is resampled and
//! smoothed by a kernel that removes stairs without thinning plates, gets its labelled volume back, keeps a gap to its neighbours of
//! the same class, and is turned into distances again. Following the CT's edge is an option and off for labels made by hand: it took
//! a tenth off the one patient it was tried on, and nothing at hand can tell whether that is right.

pub(crate) mod block;
pub(crate) mod canal;
mod density;
mod distance;
mod follow;
pub(crate) mod pieces;
pub(crate) mod quantise;
pub(crate) mod redistance;
mod separate;
pub(crate) mod smooth;

use std::collections::BTreeMap;

use rayon::prelude::*;
use spinor_volume::query::volume_mm3;
use spinor_volume::{DensityField, Grid, GridError, Label, Source, Structure, TissueClass};
use thiserror::Error;

use crate::volume3d::{Geometry, Image};
use block::Block;
use pieces::Pieces;
use separate::Packed;

/// How far a structure's block reaches beyond its labels, mm: the kernel's reach.
const MARGIN_MM: f64 = 5.0;
/// How far around a structure its distance is computed on the labels' lattice, mm.
const NATIVE_MARGIN_MM: f64 = 8.0;
/// Where distances to the labels' voxels are cut off, mm.
const CLIP_MM: f32 = 6.0;
/// Least tissue of a label that makes a structure, mm³; a root is larger.
const LEAST_MM3: f64 = 20.0;
/// Gap between neighbours of one class that are not bone, mm: they touch, but never overlap.
const SOFT_GAP_MM: f64 = 0.1;
/// Most lattice points of one structure's block (1.2 GB of one field would be beyond any vertebra).
const MAX_BLOCK: f64 = 3e8;

/// How surfaces are made.
#[derive(Clone, Debug, PartialEq)]
pub struct BakeOptions {
    /// Voxel edge of the fields, mm.
    pub spacing_mm: f64,
    /// Smoothing, mm; none for 0.8 × the labels' largest spacing, within 0.4-2.4.
    pub sigma_mm: Option<f64>,
    /// Least gap between bones, mm: two voxels keep joint spaces open.
    pub gap_mm: f64,
    /// Moves bone to where the CT falls to this fraction of the edge's contrast (0.65 lies on the cortex); none leaves the labels' surface.
    pub follow_ct_fraction: Option<f64>,
    /// Where the labels come from.
    pub source: Source,
}

impl Default for BakeOptions {
    fn default() -> Self {
        Self { spacing_mm: 0.4, sigma_mm: None, gap_mm: 0.8, follow_ct_fraction: None, source: Source::Labelled }
    }
}

/// Why nothing was baked.
#[derive(Debug, Error, PartialEq)]
pub enum BakeError {
    /// No voxel carries a label.
    #[error("the label map holds no structure")]
    NoLabels,
    /// A number that names no structure: the label map was not translated to the case's numbers.
    #[error("label {0} names no structure of a case")]
    UnknownLabel(u16),
    /// The structures lie too far apart for one grid.
    #[error("the labelled region does not fit a case: {0}")]
    Grid(#[from] GridError),
    /// One label spread over the whole image.
    #[error("{0} spans {1:.0} mm: too large for one structure; is the label map right?")]
    TooLarge(Label, f64),
    /// An option out of bounds.
    #[error("{0}")]
    Option(&'static str),
}

/// What is worth knowing of one structure's making.
#[derive(Clone, Debug, PartialEq)]
pub struct StructureReport {
    /// The structure.
    pub label: Label,
    /// Volume of the labelled voxels, mm³.
    pub label_volume_mm3: f64,
    /// Connected pieces that were kept.
    pub pieces: usize,
    /// Small pieces that were left out, mm³.
    pub dropped_mm3: f64,
    /// Mean outward shift when following the CT, mm.
    pub mean_edge_shift_mm: Option<f64>,
    /// Whether labelled voxels lie on the image's border: the structure goes on where the scan ends.
    pub at_border: bool,
}

/// Structures on one grid, not yet a patient: proposed ones may join them.
#[derive(Clone, Debug)]
pub struct Baked {
    /// The grid of all fields.
    pub grid: Grid,
    /// The structures in the order of their labels.
    pub structures: Vec<Structure>,
    /// Density of bone; empty without a CT.
    pub density: DensityField,
    /// One report per structure, in the same order.
    pub reports: Vec<StructureReport>,
    /// The smoothing that was used, mm.
    pub sigma_mm: f64,
    /// What a reader must know.
    pub warnings: Vec<String>,
}

/// Structures that share a lattice and a source.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'a> {
    /// Numbers of the case, 0 = background.
    pub labels: &'a Image<u16>,
    /// Where they come from.
    pub source: Source,
}

/// One label's voxels.
struct Extent<'a> {
    /// The label map they lie in.
    labels: &'a Image<u16>,
    source: Source,
    label: Label,
    class: TissueClass,
    voxels: usize,
    low: [usize; 3],
    high: [usize; 3],
    low_mm: [f64; 3],
    high_mm: [f64; 3],
}

/// Makes the fields of all labels of `labels` (numbers of the case, 0 = background), and density from `ct` in HU, in the same frame.
///
/// Labels and CT may lie on different lattices. Work runs on rayon's current pool, a label at a time per thread; the memory of a run is
/// that of two bytes a lattice point of every label's block and about five fields of four bytes per thread.
///
/// # Errors
/// When there is no label, a number that names no structure, or labels too far apart for one grid.
pub fn bake(labels: &Image<u16>, ct: Option<&Image<i16>>, options: &BakeOptions) -> Result<Baked, BakeError> {
    bake_layers(&[Layer { labels, source: options.source }], ct, options)
}

/// As [`bake`], from several label maps in one frame, each on its own lattice: structures are smoothed as far as their own lattice asks
/// for. A label that stands in several is taken from the last; where structures of different maps overlap is for the caller to settle.
/// [`BakeOptions::source`] is not looked at.
///
/// # Errors
/// As [`bake`].
pub fn bake_layers(layers: &[Layer<'_>], ct: Option<&Image<i16>>, options: &BakeOptions) -> Result<Baked, BakeError> {
    let h = options.spacing_mm;
    if !(0.2..=1.0).contains(&h) {
        return Err(BakeError::Option("the voxel edge of a case is 0.2-1 mm"));
    }
    if !(0.0..=3.0).contains(&options.gap_mm) || options.sigma_mm.is_some_and(|s| !(0.0..=4.0).contains(&s)) {
        return Err(BakeError::Option("the gap is 0-3 mm and the smoothing 0-4 mm"));
    }
    let smoothing = |coarsest_mm: f64| options.sigma_mm.unwrap_or_else(|| (0.8 * coarsest_mm).clamp(0.4, 2.4));
    let sigma_mm = smoothing(layers.first().map_or(0.0, |layer| coarsest_mm(layer.labels)));
    let mut warnings = Vec::new();
    let coarsest = layers.iter().map(|layer| coarsest_mm(layer.labels)).fold(0.0, f64::max);
    if coarsest > 3.0 {
        warnings
            .push(format!("The labels' slices are {coarsest:.1} mm apart: thin laminae and joint spaces are not to be trusted."));
    }
    let extents = extents(layers, &mut warnings)?;
    let shapes: Vec<Block> = extents.iter().map(|extent| shape(extent, h)).collect::<Result<_, _>>()?;
    let grid = covering_grid(&shapes, h)?;

    let mut fields: Vec<Packed> = extents
        .par_iter()
        .zip(shapes)
        .map(|(extent, shape)| Packed::new(&smooth_field(extent, shape, smoothing(coarsest_mm(extent.labels)))))
        .collect();
    let gap = |class| if class == TissueClass::Bone { options.gap_mm } else { SOFT_GAP_MM };
    let neighbours = |fields: &[Packed], n: usize| -> Vec<usize> {
        (0..fields.len()).filter(|m| *m != n && extents[*m].class == extents[n].class).collect()
    };

    let mut shifts: Vec<Option<f64>> = vec![None; extents.len()];
    if let (Some(fraction), Some(ct)) = (options.follow_ct_fraction, ct) {
        let followed: Vec<(Packed, Option<f64>)> = (0..fields.len())
            .into_par_iter()
            .map(|n| {
                let around = neighbours(&fields, n);
                let mut block = separate::separate(&fields[n], around.iter().map(|m| &fields[*m]), gap(extents[n].class));
                if extents[n].class != TissueClass::Bone {
                    return (Packed::new(&block), None);
                }
                let mut hu = block.like();
                hu.resample(&ct.geometry, &ct.voxels);
                let others = separate::others(&block, around.iter().map(|m| &fields[*m]), 4.0);
                let shift = follow::follow_ct(&mut block, &hu, &others, fraction as f32);
                (Packed::new(&block.normalised()), Some(f64::from(shift)))
            })
            .collect();
        (fields, shifts) = followed.into_iter().unzip();
    }

    let made: Vec<(Structure, Pieces)> = (0..fields.len())
        .into_par_iter()
        .map(|n| {
            let around = neighbours(&fields, n);
            let Extent { labels, source, label, class, .. } = extents[n];
            let uncertainty_mm = ((50.0 * coarsest_mm(labels)).round() / 100.0) as f32;
            let mut block = separate::separate(&fields[n], around.iter().map(|m| &fields[*m]), gap(class));
            let pieces = pieces::keep_large_pieces(&mut block, class == TissueClass::Bone);
            redistance::redistance(&mut block);
            let sdf = quantise::sparse_field(&grid, &block);
            let volume_mm3 = volume_mm3(&grid, &sdf);
            (Structure { label, class, source, uncertainty_mm, volume_mm3, sdf }, pieces)
        })
        .collect();

    let reports: Vec<StructureReport> = extents
        .iter()
        .zip(&made)
        .zip(shifts)
        .map(|((extent, (_, pieces)), mean_edge_shift_mm)| StructureReport {
            label: extent.label,
            label_volume_mm3: extent.voxels as f64 * extent.labels.geometry.voxel_mm3(),
            pieces: pieces.kept,
            dropped_mm3: pieces.dropped_mm3,
            mean_edge_shift_mm,
            at_border: (0..3).any(|k| extent.low[k] == 0 || extent.high[k] + 1 == extent.labels.geometry.size[k]),
        })
        .collect();
    warnings.extend(at_border(&reports));
    reports.iter().for_each(|report| warnings.extend(report.warnings()));
    let structures: Vec<Structure> = made.into_iter().map(|(structure, _)| structure).collect();
    let density = ct.map(|ct| density::density(&grid, &structures, ct)).unwrap_or_default();
    Ok(Baked { grid, structures, density, reports, sigma_mm, warnings })
}

/// One warning for all structures that the labelled image cuts off.
fn at_border(reports: &[StructureReport]) -> Option<String> {
    let names: Vec<String> = reports.iter().filter(|r| r.at_border).map(|r| r.label.name()).collect();
    match names.as_slice() {
        [] => None,
        [one] => Some(format!("{one} reaches the border of the labelled image and is closed there: it goes on in the patient.")),
        all => Some(format!(
            "{} reach the border of the labelled image and are closed there: they go on in the patient.",
            all.join(", ")
        )),
    }
}

impl StructureReport {
    fn warnings(&self) -> Vec<String> {
        let name = self.label.name();
        let mut out = Vec::new();
        if self.pieces > 1 && self.label.class() == Some(TissueClass::Bone) {
            out.push(format!("{name} is in {} separate pieces (a defect of the pars, or a break in the labels).", self.pieces));
        }
        if self.dropped_mm3 > 50.0 {
            out.push(format!("{:.0} mm³ labelled {name} lie apart from it and were left out.", self.dropped_mm3));
        }
        out
    }
}

/// The largest spacing of a label map, mm.
fn coarsest_mm(labels: &Image<u16>) -> f64 {
    labels.geometry.spacing_mm.iter().copied().fold(0.0, f64::max)
}

/// The box and voxel count of every label.
fn extents<'a>(layers: &[Layer<'a>], warnings: &mut Vec<String>) -> Result<Vec<Extent<'a>>, BakeError> {
    let mut all: BTreeMap<u16, Extent<'a>> = BTreeMap::new();
    for layer in layers {
        all.append(&mut extents_of(layer)?);
    }
    let mut kept = Vec::new();
    for extent in all.into_values() {
        let volume = extent.voxels as f64 * extent.labels.geometry.voxel_mm3();
        if volume < LEAST_MM3 {
            warnings.push(format!("{} has only {volume:.0} mm³ of labels and was left out.", extent.label));
        } else {
            kept.push(extent);
        }
    }
    if kept.is_empty() { Err(BakeError::NoLabels) } else { Ok(kept) }
}

fn extents_of<'a>(layer: &Layer<'a>) -> Result<BTreeMap<u16, Extent<'a>>, BakeError> {
    let (labels, source) = (layer.labels, layer.source);
    let geometry = &labels.geometry;
    let mut found: BTreeMap<u16, Extent<'a>> = BTreeMap::new();
    for (at, number) in labels.voxels.iter().enumerate().filter(|(_, number)| **number != 0) {
        let label = Label(*number);
        let index = geometry.index_of(at);
        let at_mm = geometry.patient_from_index(index.map(|v| v as f64));
        let extent = match found.entry(*number) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                let class = label.class().ok_or(BakeError::UnknownLabel(*number))?;
                entry.insert(Extent {
                    labels,
                    source,
                    label,
                    class,
                    voxels: 0,
                    low: index,
                    high: index,
                    low_mm: at_mm,
                    high_mm: at_mm,
                })
            }
        };
        extent.voxels += 1;
        for k in 0..3 {
            extent.low[k] = extent.low[k].min(index[k]);
            extent.high[k] = extent.high[k].max(index[k]);
            extent.low_mm[k] = extent.low_mm[k].min(at_mm[k]);
            extent.high_mm[k] = extent.high_mm[k].max(at_mm[k]);
        }
    }
    Ok(found)
}

/// The block around a label, still without samples.
fn shape(extent: &Extent<'_>, h: f64) -> Result<Block, BakeError> {
    let margin = MARGIN_MM + 0.5 * coarsest_mm(extent.labels);
    let span = [0, 1, 2].map(|k| extent.high_mm[k] - extent.low_mm[k] + 2.0 * margin);
    if span.iter().map(|s| s / h + 2.0).product::<f64>() > MAX_BLOCK {
        return Err(BakeError::TooLarge(extent.label, span.iter().copied().fold(0.0, f64::max)));
    }
    let block = Block::covering(extent.low_mm.map(|v| v - margin), extent.high_mm.map(|v| v + margin), h);
    Ok(Block { values: Vec::new(), ..block })
}

/// The grid of whole bricks that covers all blocks, on their lattice.
fn covering_grid(shapes: &[Block], h: f64) -> Result<Grid, GridError> {
    let (mut low, mut high) = ([i32::MAX; 3], [i32::MIN; 3]);
    for shape in shapes {
        for k in 0..3 {
            low[k] = low[k].min(shape.first[k]);
            high[k] = high[k].max(shape.end()[k]);
        }
    }
    let bricks = [0, 1, 2].map(|k| ((high[k] - low[k]) as u32).div_ceil(spinor_volume::BRICK as u32));
    Grid::new(low.map(|v| f64::from(v) * h), h, bricks)
}

/// The smooth field of one label with the labelled volume, nearly a distance in mm near its surface.
fn smooth_field(extent: &Extent<'_>, shape: Block, sigma_mm: f64) -> Block {
    let labels = extent.labels;
    let geometry = &labels.geometry;
    let pad = geometry.spacing_mm.map(|h| (NATIVE_MARGIN_MM / h).ceil() as i64);
    let low = [0, 1, 2].map(|k| extent.low[k] as i64 - pad[k]);
    let size = [0, 1, 2].map(|k| (extent.high[k] as i64 + pad[k] + 1 - low[k]) as usize);
    let native = Geometry { size, origin_mm: geometry.patient_from_index(low.map(|v| v as f64)), ..*geometry };
    let mask: Vec<bool> = (0..native.voxel_count())
        .map(|at| {
            let index = native.index_of(at);
            labels.at([0, 1, 2].map(|k| low[k] + index[k] as i64)) == Some(extent.label.0)
        })
        .collect();
    let mut distance = distance::signed_box_distance(&mask, size, geometry.spacing_mm);
    distance.iter_mut().for_each(|d| *d = d.clamp(-CLIP_MM, CLIP_MM));
    let mut block = Block { values: vec![0.0; shape.size.iter().product()], ..shape };
    block.resample(&native, &distance);
    smooth::twice(&mut block, sigma_mm);
    let shift = smooth::volume_offset(&block, extent.voxels as f64 * geometry.voxel_mm3());
    block.values.iter_mut().for_each(|v| *v += shift);
    block.normalised()
}

#[cfg(test)]
pub(crate) mod tests;
