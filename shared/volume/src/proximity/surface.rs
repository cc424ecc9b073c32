//! A structure's whole surface, walked over by its vertices.

use crate::field::SparseField;
use crate::grid::{BRICK, Grid};
use crate::mesh::{BrickMesh, MESH_PER_VOXEL, Mesher, field_bricks};

/// Most steps of a walk. A walk gets strictly nearer at every step, and starts a few vertices away.
const MAX_STEPS: usize = 64;

/// A welded surface: vertices in voxels of the grid, and the triangles around each.
#[derive(Clone, Debug)]
pub(super) struct Surface {
    vertices: Vec<[f32; 3]>,
    /// Where each vertex's fan starts in `fans`, and one more for the end.
    first: Vec<u32>,
    /// Per vertex, the other two corners of its triangles, in the triangles' sense of rotation.
    fans: Vec<[u32; 2]>,
    /// By how much the squared distance to the nearest vertex is more than that to the surface at most: the nearest place of a triangle, or of
    /// one of its edges, is a foot, which is no farther from the nearest corner than a third of the longest edge's square.
    squared_to_middles: f64,
}

impl Surface {
    pub(super) fn of(grid: &Grid, sdf: &SparseField) -> Self {
        let (mut mesher, mut mesh) = (Mesher::new(), BrickMesh::default());
        let mut keys: Vec<u64> = Vec::new();
        let mut triangles: Vec<[u64; 3]> = Vec::new();
        for brick in field_bricks(grid, sdf, None) {
            mesher.mesh_field(grid, sdf, None, brick, &mut mesh);
            let first = grid.brick_coords(brick).map(|v| v * BRICK as i32 * MESH_PER_VOXEL);
            // One voxel is added so that no coordinate is negative; 96 bricks stay below 2²¹.
            let key = |p: &[i16; 3]| {
                let [x, y, z]: [u64; 3] = std::array::from_fn(|k| (first[k] + i32::from(p[k]) + MESH_PER_VOXEL) as u64);
                x | y << 21 | z << 42
            };
            let of_brick: Vec<u64> = mesh.positions.iter().map(key).collect();
            triangles.extend(mesh.triangles.iter().map(|t| t.map(|v| of_brick[v as usize])));
            keys.extend(of_brick);
        }
        keys.sort_unstable();
        keys.dedup();
        let vertices: Vec<[f32; 3]> = keys
            .iter()
            .map(|key| {
                let at = [key & 0x1f_ffff, key >> 21 & 0x1f_ffff, key >> 42];
                at.map(|v| (v as i32 - MESH_PER_VOXEL) as f32 / MESH_PER_VOXEL as f32)
            })
            .collect();
        // Every key of a triangle is among the sorted keys; the place it would have is the place it has.
        let triangles: Vec<[u32; 3]> = triangles.iter().map(|t| t.map(|key| keys.partition_point(|k| *k < key) as u32)).collect();
        let mut first = vec![0_u32; vertices.len() + 1];
        for v in triangles.as_flattened() {
            first[*v as usize + 1] += 1;
        }
        for n in 1..first.len() {
            first[n] += first[n - 1];
        }
        let mut next = first.clone();
        let mut fans = vec![[0; 2]; triangles.len() * 3];
        for t in &triangles {
            for k in 0..3 {
                let place = &mut next[t[k] as usize];
                fans[*place as usize] = [t[(k + 1) % 3], t[(k + 2) % 3]];
                *place += 1;
            }
        }
        let mut surface = Self { vertices, first, fans, squared_to_middles: 0.0 };
        let around = |vertex: u32| surface.fan(vertex).iter().map(move |[next, _]| (vertex, *next));
        let longest = (0..surface.vertices.len() as u32)
            .flat_map(around)
            .map(|(vertex, next)| surface.squared_between(vertex, next))
            .fold(0.0, f64::max);
        surface.squared_to_middles = longest / 3.0;
        surface
    }

    pub(super) fn vertices(&self) -> &[[f32; 3]] {
        &self.vertices
    }

    fn fan(&self, vertex: u32) -> &[[u32; 2]] {
        &self.fans[self.first[vertex as usize] as usize..self.first[vertex as usize + 1] as usize]
    }

    /// A vertex, voxels.
    pub(super) fn vertex(&self, vertex: u32) -> [f64; 3] {
        self.vertices[vertex as usize].map(f64::from)
    }

    /// Squared distance to a vertex, voxels.
    pub(super) fn squared_to_vertex(&self, vertex: u32, at: [f64; 3]) -> f64 {
        let d = minus(self.vertex(vertex), at);
        dot(d, d)
    }

    /// Squared distance between two vertices, voxels.
    pub(super) fn squared_between(&self, a: u32, b: u32) -> f64 {
        self.squared_to_vertex(a, self.vertex(b))
    }

    /// Distance to the surface, voxels, measured where a walk ended: at `vertex`, whose squared distance is known.
    pub(super) fn distance(&self, vertex: u32, squared: f64, at: [f64; 3]) -> f64 {
        let (least, beyond) = self.squared_around(vertex, squared, at);
        beyond.map_or(least, |edge| self.squared_beyond(vertex, edge, least, at)).sqrt()
    }

    /// What the distance to the surface is at least, voxels, where that to its nearest vertex is known, squared.
    pub(super) fn least_from(&self, squared: f64) -> f64 {
        (squared - self.squared_to_middles).max(0.0).sqrt()
    }

    /// The least squared distance where the nearest place around `vertex` lies on the edge across from it: the surface may come nearer on the other
    /// side, though no vertex around `vertex` is nearer than itself, as in a dent a voxel wide.
    fn squared_beyond(&self, vertex: u32, edge: [u32; 2], mut least: f64, at: [f64; 3]) -> f64 {
        let (mut from, mut edge) = (vertex, edge);
        for _ in 0..MAX_STEPS {
            let mut next = None;
            for start in edge {
                let squared = self.squared_to_vertex(start, at);
                let (end, nearer) = self.walk(start, squared, at);
                for (vertex, squared) in [(start, squared), (end, nearer)] {
                    if vertex == from {
                        continue;
                    }
                    let (other, beyond) = self.squared_around(vertex, squared, at);
                    if other < least {
                        least = other;
                        next = Some((vertex, beyond));
                    }
                }
            }
            let Some((vertex, Some(beyond))) = next else { break };
            (from, edge) = (vertex, beyond);
        }
        least
    }

    /// As [`Self::distance`], the least that walks from several vertices lead to, where each also looks beyond its neighbours when these
    /// lead no nearer. About as far from one side of the surface as from the other, the surface's own roughness ends a walk anywhere.
    pub(super) fn distance_from_all(&self, vertices: &[u32], at: [f64; 3]) -> f64 {
        let mut least = f64::INFINITY;
        for (n, start) in vertices.iter().enumerate() {
            if (*start as usize) >= self.vertices.len() || vertices[..n].contains(start) {
                continue;
            }
            let (mut vertex, mut squared) = self.walk(*start, self.squared_to_vertex(*start, at), at);
            for _ in 0..MAX_STEPS {
                let from = vertex;
                for [next, _] in self.fan(from) {
                    for [beyond, _] in self.fan(*next) {
                        let other = self.squared_to_vertex(*beyond, at);
                        if other < squared {
                            (vertex, squared) = (*beyond, other);
                        }
                    }
                }
                if vertex == from {
                    break;
                }
                (vertex, squared) = self.walk(vertex, squared, at);
            }
            least = least.min(self.squared_around(vertex, squared, at).0);
        }
        least.sqrt()
    }

    /// From a vertex whose squared distance is known to its nearest neighbour, and on, while that leads nearer.
    pub(super) fn walk(&self, mut vertex: u32, mut squared: f64, at: [f64; 3]) -> (u32, f64) {
        for _ in 0..MAX_STEPS {
            let from = vertex;
            for [next, _] in self.fan(from) {
                let other = self.squared_to_vertex(*next, at);
                if other < squared {
                    (vertex, squared) = (*next, other);
                }
            }
            if vertex == from {
                break;
            }
        }
        (vertex, squared)
    }

    /// The least squared distance to a vertex, which is known, and to the triangles around it; where that is on a triangle's edge across from
    /// the vertex, also this edge's ends.
    fn squared_around(&self, vertex: u32, mut squared: f64, at: [f64; 3]) -> (f64, Option<[u32; 2]>) {
        let corner = self.vertex(vertex);
        let mut beyond = None;
        for edge in self.fan(vertex) {
            let [b, c] = edge.map(|v| self.vertex(v));
            let (other, is_across) = squared_to_triangle(at, corner, b, c);
            if other < squared {
                squared = other;
                beyond = is_across.then_some(*edge);
            }
        }
        (squared, beyond)
    }
}

fn minus(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// Squared distance from a point to a triangle (Ericson, Real-Time Collision Detection, 5.1.5); to a corner for one without area. And
/// whether the nearest place lies on the edge from `b` to `c`.
fn squared_to_triangle(p: [f64; 3], a: [f64; 3], b: [f64; 3], c: [f64; 3]) -> (f64, bool) {
    let (ab, ac, ap) = (minus(b, a), minus(c, a), minus(p, a));
    let along = |from: [f64; 3], edge: [f64; 3], t: f64| {
        let d = [from[0] - edge[0] * t, from[1] - edge[1] * t, from[2] - edge[2] * t];
        dot(d, d)
    };
    let (d1, d2) = (dot(ab, ap), dot(ac, ap));
    if d1 <= 0.0 && d2 <= 0.0 {
        return (dot(ap, ap), false);
    }
    let bp = minus(p, b);
    let (d3, d4) = (dot(ab, bp), dot(ac, bp));
    if d3 >= 0.0 && d4 <= d3 {
        return (dot(bp, bp), true);
    }
    let vc = d1 * d4 - d3 * d2;
    if vc <= 0.0 && d1 >= 0.0 && d3 <= 0.0 {
        return (along(ap, ab, d1 / (d1 - d3)), false);
    }
    let cp = minus(p, c);
    let (d5, d6) = (dot(ab, cp), dot(ac, cp));
    if d6 >= 0.0 && d5 <= d6 {
        return (dot(cp, cp), true);
    }
    let vb = d5 * d2 - d1 * d6;
    if vb <= 0.0 && d2 >= 0.0 && d6 <= 0.0 {
        return (along(ap, ac, d2 / (d2 - d6)), false);
    }
    let va = d3 * d6 - d5 * d4;
    if va <= 0.0 && d4 >= d3 && d5 >= d6 {
        return (along(bp, minus(c, b), (d4 - d3) / ((d4 - d3) + (d5 - d6))), true);
    }
    let scale = 1.0 / (va + vb + vc);
    if !scale.is_finite() {
        return (dot(ap, ap).min(dot(bp, bp)).min(dot(cp, cp)), false);
    }
    let (v, w) = (vb * scale, vc * scale);
    let d = [ap[0] - ab[0] * v - ac[0] * w, ap[1] - ab[1] * v - ac[1] * w, ap[2] - ab[2] * v - ac[2] * w];
    (dot(d, d), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points above each region of a triangle: face, edges, corners.
    #[test]
    fn distances_to_a_triangle() {
        let t = [[0.0, 0.0, 0.0], [2.0, 0.0, 0.0], [0.0, 2.0, 0.0]];
        let to = |p| squared_to_triangle(p, t[0], t[1], t[2]);
        assert_eq!(to([0.5, 0.5, 3.0]), (9.0, false));
        assert_eq!(to([1.0, -2.0, 0.0]), (4.0, false));
        assert_eq!(to([-2.0, 1.0, 1.0]), (5.0, false));
        assert_eq!(to([2.0, 2.0, 0.0]), (2.0, true));
        assert_eq!(to([-3.0, -4.0, 0.0]), (25.0, false));
        assert_eq!(to([5.0, 0.0, 0.0]), (9.0, true));
        assert_eq!(to([0.0, 3.0, 0.0]), (1.0, true));
        assert_eq!(squared_to_triangle([1.0, 0.0, 0.0], t[0], t[0], t[0]).0, 1.0);
    }
}
