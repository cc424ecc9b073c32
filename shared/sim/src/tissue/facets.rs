//! The surface of one neural structure in small flat facets that move with its nodes: what the alarm measures to once it has given way.
//!
//! A map that takes positions back to rest stretches distances, and far from the surface it is not unique. So the distance to a surface
//! that has moved is measured where it stands: to discs, each touching the surface, a little larger than the gap to the next.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use spinor_volume::{BRICK, Grid, SDF_PER_VOXEL, Structure, VoxelIndex};

use super::nodes::{Nodes, Offset, SURFACE_STEPS, Weights};
use crate::vector::{Vec3, add, cross, dot, norm, scale, sub, unit};

/// Distance between facets, mm.
const FACET_MM: f64 = 0.8;
/// Radius of a facet, of the distance between two: they overlap.
const RADIUS: f64 = 0.75;
/// Step along a facet that tells how it has turned, mm.
const TURN_MM: f64 = 0.3;
/// A part of a tool that comes nearer than this may cross the surface: then its ends are looked at too, mm.
const CROSSES_MM: f64 = 0.5;

/// How deep a tool in the tissue is still told, mm.
const DEEP_MM: f64 = 10.0;

/// A small flat piece of the surface at rest.
#[derive(Clone, Copy, Debug)]
struct Facet {
    at: Vec3,
    /// Out of the tissue.
    normal: Vec3,
}

impl Facet {
    /// Two directions along it.
    fn beside(&self) -> Option<[Vec3; 2]> {
        let n = self.normal;
        let aside = if n[0].abs() < 0.6 { [1.0, 0.0, 0.0] } else { [0.0, 1.0, 0.0] };
        let first = unit(cross(n, aside))?;
        Some([first, cross(n, first)])
    }
}

/// A sum of places, one of samples, and of how many.
type Sum = ([i64; 3], i64, i64);

/// The facets of a structure by the node in whose cell they lie.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facets {
    all: Vec<Facet>,
    /// Where each node's begin, and where the last node's end.
    starts: Vec<u32>,
    /// How far each node's reach from it, mm.
    reach: Vec<f64>,
    radius_mm: f64,
    /// Where facets are at rest, those of each node from a new eight on; and where each node's eights begin, and the last one's end.
    rest: Vec<Eight>,
    eights: Vec<u32>,
    /// The nodes' weights at three places of each facet: its own, and two beside it that tell how it has turned.
    weights: Weights,
}

impl Facets {
    /// The facets of a structure whose nodes are known.
    pub(crate) fn of(grid: &Grid, structure: &Structure, nodes: &Nodes) -> Self {
        let voxels = ((FACET_MM / grid.spacing_mm()).round() as i32).max(1);
        // Sums of places and samples by node and cell.
        let mut sums: BTreeMap<(u32, [i32; 3]), Sum> = BTreeMap::new();
        for (brick, samples) in structure.sdf.stored() {
            let first = grid.brick_coords(brick).map(|v| v * BRICK as i32);
            for (n, sample) in samples.iter().enumerate().filter(|(_, v)| v.unsigned_abs() <= SURFACE_STEPS) {
                let n = n as i32;
                let at = [first[0] + n % 16, first[1] + n / 16 % 16, first[2] + n / 256];
                let Some(node) = nodes.node_at(at) else { continue };
                let (sum, distance, count) = sums.entry((node, at.map(|v| v.div_euclid(voxels)))).or_default();
                for k in 0..3 {
                    sum[k] += i64::from(at[k]);
                }
                *distance += i64::from(*sample);
                *count += 1;
            }
        }
        let (mut all, mut starts) = (Vec::with_capacity(sums.len()), vec![0_u32]);
        let spacing = grid.spacing_mm();
        for ((node, _), (sum, distance, count)) in sums {
            let middle = sum.map(|v| v as f64 / count as f64);
            let voxel = middle.map(|v| (v + 0.5).floor() as i32);
            let sample = |d: [i32; 3]| {
                f64::from(structure.sdf.sample(grid, VoxelIndex([voxel[0] + d[0], voxel[1] + d[1], voxel[2] + d[2]])))
            };
            let slope = [
                sample([1, 0, 0]) - sample([-1, 0, 0]),
                sample([0, 1, 0]) - sample([0, -1, 0]),
                sample([0, 0, 1]) - sample([0, 0, -1]),
            ];
            let Some(normal) = unit(slope) else { continue };
            let out = (distance as f64 / count as f64 + 0.5) / f64::from(SDF_PER_VOXEL) * spacing;
            while starts.len() <= node as usize {
                starts.push(all.len() as u32);
            }
            all.push(Facet { at: sub(grid.patient_from_index(middle), scale(normal, out)), normal });
        }
        while starts.len() <= nodes.count() {
            starts.push(all.len() as u32);
        }
        let weights = nodes.weights_at(all.iter().flat_map(|facet: &Facet| {
            let beside = facet.beside().map_or([facet.at; 2], |ways| ways.map(|way| add(facet.at, scale(way, TURN_MM))));
            [facet.at, beside[0], beside[1]]
        }));
        let radius_mm = RADIUS * f64::from(voxels) * spacing;
        let mut facets = Self { all, starts, reach: Vec::new(), radius_mm, rest: Vec::new(), eights: vec![0], weights };
        for node in 0..nodes.count() {
            let eights = in_eights(facets.of_node(node).iter().map(|facet| facet.at));
            facets.rest.extend(eights);
            facets.eights.push(facets.rest.len() as u32);
        }
        let reach = |node: usize| {
            let rest = nodes.rest_mm(node).unwrap_or_default();
            let farthest = facets.of_node(node).iter().map(|facet| norm(sub(facet.at, rest))).fold(0.0, f64::max);
            farthest + facets.radius_mm
        };
        facets.reach = (0..nodes.count()).map(reach).collect();
        facets
    }

    /// How far a node's facets reach from it at rest, mm.
    pub(super) fn reach_mm(&self, node: usize) -> f64 {
        self.reach.get(node).copied().unwrap_or(0.0)
    }

    fn of_node(&self, node: usize) -> &[Facet] {
        let range = self.starts.get(node).zip(self.starts.get(node + 1));
        range.and_then(|(from, to)| self.all.get(*from as usize..*to as usize)).unwrap_or_default()
    }

    /// Where a node's facets are at rest.
    fn rest_of(&self, node: usize) -> &[Eight] {
        let range = self.eights.get(node).zip(self.eights.get(node + 1));
        range.and_then(|(from, to)| self.rest.get(*from as usize..*to as usize)).unwrap_or_default()
    }

    /// The number of a node's first facet.
    fn first_of(&self, node: usize) -> usize {
        self.starts.get(node).map_or(0, |first| *first as usize)
    }
}

/// How many facets are looked at together.
const EIGHT: usize = 8;
/// Eight places by axis, the last ones filled with what is nowhere near.
type Eight = [[f64; EIGHT]; 3];
const NOWHERE_MM: f64 = 1e9;

/// Places in eights.
fn in_eights(places: impl Iterator<Item = Vec3>) -> Vec<Eight> {
    let mut eights: Vec<Eight> = Vec::new();
    for (n, place) in places.enumerate() {
        if n % EIGHT == 0 {
            eights.push([[NOWHERE_MM; EIGHT]; 3]);
        }
        if let Some(last) = eights.last_mut() {
            (0..3).for_each(|k| last[k][n % EIGHT] = place[k]);
        }
    }
    eights
}

/// Nodes in a row that are passed over together.
const GROUP: usize = 8;
/// How much nearer than it is a group is taken to be, mm: rounding.
const ROUNDING_MM: f64 = 1e-6;
/// How far beyond its node's ball a facet may stand, mm: nodes two cells away count a little.
const APART_MM: f64 = 0.5;

/// A ball about the balls of each [`GROUP`] nodes.
pub(super) fn groups_of(balls: &[(Vec3, f64, bool)]) -> Vec<(Vec3, f64)> {
    let around = |some: &[(Vec3, f64, bool)]| {
        let middle = scale(some.iter().fold([0.0; 3], |sum, ball| add(sum, ball.0)), 1.0 / some.len() as f64);
        let radius = some.iter().map(|(centre, radius, _)| norm(sub(*centre, middle)) + radius).fold(0.0, f64::max);
        (middle, radius + ROUNDING_MM)
    };
    balls.chunks(GROUP).map(around).collect()
}

/// A structure as it stands.
pub(crate) struct Stand<'a> {
    pub(super) facets: &'a Facets,
    pub(super) offsets: &'a [Offset],
    /// For each node a ball about its facets as they stand: centre and radius, mm, and whether any of them is away from its rest.
    pub(super) balls: &'a [(Vec3, f64, bool)],
    /// See [`groups_of`].
    pub(super) groups: &'a [(Vec3, f64)],
    /// For each node where its facets stand, once asked for.
    pub(super) known: &'a [Stands],
}

/// Where a node's facets stand, worked out when it is first asked for: all tools of a tick ask, with each of their parts.
#[derive(Clone, Debug, Default)]
pub(super) struct Stands {
    places: OnceLock<Box<[Eight]>>,
    normals: OnceLock<Box<[OnceLock<Vec3>]>>,
}

impl Stand<'_> {
    /// The signed distance of the part of a tool's axis between two places to the surface, negative inside, if under `most_mm`.
    pub(crate) fn distance_mm(&self, a: Vec3, b: Vec3, most_mm: f64) -> Option<f64> {
        let most_mm = most_mm.max(DEEP_MM);
        let least = self.nearest(a, b, most_mm)?;
        if least.abs() > CROSSES_MM || a == b {
            return Some(least);
        }
        // A part that crosses the surface is as deep as its deeper end.
        let ends = [a, b].into_iter().filter_map(|end| self.nearest(end, end, most_mm));
        Some(ends.fold(least, f64::min))
    }

    /// The signed distance to the facet nearest to a segment.
    fn nearest(&self, a: Vec3, b: Vec3, most_mm: f64) -> Option<f64> {
        let axis = Axis::of(a, b);
        let near = self.nodes_near(&axis, most_mm);
        let (mut best, mut signed) = (most_mm, None);
        for (least, node) in near {
            if least >= best {
                break;
            }
            let stands = self.known.get(node).filter(|_| self.balls[node].2);
            let (facets, rest) = (self.facets.of_node(node), || self.facets.rest_of(node));
            let eights = stands.map_or_else(rest, |stands| self.places(stands, node));
            for (n, eight) in eights.iter().enumerate() {
                let (ways, squared) = axis.ways_from(eight);
                // A facet is no farther than its middle, and no nearer than that less its radius.
                let reach = best + self.facets.radius_mm + ROUNDING_MM;
                let nearest = squared.into_iter().fold(reach * reach, |least, long| if long < least { long } else { least });
                if nearest >= reach * reach {
                    continue;
                }
                let reach = best.min(nearest.sqrt()) + self.facets.radius_mm + ROUNDING_MM;
                for k in (0..EIGHT).filter(|k| squared[*k] < reach * reach) {
                    let (Some(facet), long) = (facets.get(n * EIGHT + k), squared[k].sqrt()) else { break };
                    if long - self.facets.radius_mm >= best {
                        continue;
                    }
                    let at = [0, 1, 2].map(|axis| eight[axis][k]);
                    let way = [0, 1, 2].map(|axis| ways[axis][k]);
                    let normal = stands.map_or(facet.normal, |stands| self.normal(stands, node, (n * EIGHT + k, facet), at));
                    let height = dot(way, normal);
                    let beside = ((long * long - height * height).max(0.0).sqrt() - self.facets.radius_mm).max(0.0);
                    let distance = (height * height + beside * beside).sqrt();
                    if distance < best {
                        best = distance;
                        signed = Some(if height < 0.0 { -distance } else { distance });
                    }
                }
            }
        }
        signed
    }

    /// The nodes whose facets may be the nearest to a segment of those within `most_mm`, and how near they come at most, nearest first.
    fn nodes_near(&self, axis: &Axis, most_mm: f64) -> Vec<(f64, usize)> {
        let mut near: Vec<(f64, usize)> = Vec::new();
        // A facet this near is there: those of a ball are no farther than its far side.
        let mut most_mm = most_mm;
        for (n, ((middle, around), balls)) in self.groups.iter().zip(self.balls.chunks(GROUP)).enumerate() {
            let most = most_mm + around;
            let way = axis.way_from(*middle);
            if dot(way, way) >= most * most {
                continue;
            }
            for (k, (centre, radius, _)) in balls.iter().enumerate() {
                let (least, node) = (norm(axis.way_from(*centre)) - radius, n * GROUP + k);
                if least < most_mm {
                    near.push((least, node));
                    if !self.facets.of_node(node).is_empty() {
                        most_mm = most_mm.min(least + 2.0 * radius + APART_MM);
                    }
                }
            }
        }
        near.retain(|(least, _)| *least < most_mm);
        near.sort_by(|a, b| a.0.total_cmp(&b.0));
        near
    }

    /// Where a node's facets stand.
    fn places<'b>(&self, stands: &'b Stands, node: usize) -> &'b [Eight] {
        let facets = || (self.facets.first_of(node)..).zip(self.facets.of_node(node));
        let place = |(n, facet): (usize, &Facet)| add(facet.at, self.moved(n, 0));
        stands.places.get_or_init(|| in_eights(facets().map(place)).into())
    }

    /// The normal of a node's facet of a number as it stands.
    fn normal(&self, stands: &Stands, node: usize, (number, facet): (usize, &Facet), at: Vec3) -> Vec3 {
        let none = || self.facets.of_node(node).iter().map(|_| OnceLock::new()).collect();
        let turned = || self.turned(self.facets.first_of(node) + number, facet, at);
        stands.normals.get_or_init(none).get(number).map_or(facet.normal, |normal| *normal.get_or_init(turned))
    }

    /// How far one of a facet's three places has moved.
    fn moved(&self, facet: usize, place: usize) -> Vec3 {
        self.facets.weights.displacement_mm(3 * facet + place, self.offsets)
    }

    /// A facet's normal as it stands.
    fn turned(&self, number: usize, facet: &Facet, stands: Vec3) -> Vec3 {
        let Some([first, second]) = facet.beside() else { return facet.normal };
        let along = |way: Vec3, place: usize| {
            let at = add(facet.at, scale(way, TURN_MM));
            sub(add(at, self.moved(number, place)), stands)
        };
        unit(cross(along(first, 1), along(second, 2))).unwrap_or(facet.normal)
    }
}

/// The axis of a part of a tool.
struct Axis {
    from: Vec3,
    way: Vec3,
    /// Its squared length; 1 for a mere place, which has no way.
    long: f64,
}

impl Axis {
    fn of(a: Vec3, b: Vec3) -> Self {
        let way = sub(b, a);
        let long = dot(way, way);
        if long > 1e-18 { Self { from: a, way, long } } else { Self { from: a, way: [0.0; 3], long: 1.0 } }
    }

    /// The way from a position to the nearest place of the axis.
    fn way_from(&self, at: Vec3) -> Vec3 {
        let share = (dot(sub(at, self.from), self.way) / self.long).clamp(0.0, 1.0);
        sub(add(self.from, scale(self.way, share)), at)
    }

    /// The same from eight places, and the squares of their lengths.
    fn ways_from(&self, [x, y, z]: &Eight) -> (Eight, [f64; EIGHT]) {
        let (mut ways, mut squared) = ([[0.0; EIGHT]; 3], [0.0; EIGHT]);
        let ([fx, fy, fz], [wx, wy, wz]) = (self.from, self.way);
        for n in 0..EIGHT {
            let share = ((x[n] - fx) * wx + (y[n] - fy) * wy + (z[n] - fz) * wz) / self.long;
            let share = if share < 0.0 { 0.0 } else { share };
            let share = if share > 1.0 { 1.0 } else { share };
            let way = [(fx + wx * share) - x[n], (fy + wy * share) - y[n], (fz + wz * share) - z[n]];
            (ways[0][n], ways[1][n], ways[2][n]) = (way[0], way[1], way[2]);
            squared[n] = way[0] * way[0] + way[1] * way[1] + way[2] * way[2];
        }
        (ways, squared)
    }
}
