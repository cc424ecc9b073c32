//! Vertices and quads from a padded brick.

use super::pad::{PAD, PaddedSigns};
use super::{BrickMesh, MESH_PER_VOXEL, Mesher};

/// The edges of a cell as pairs of corners: four along x, four along y, four along z. Corner k lies at (k & 1, k >> 1 & 1, k >> 2).
const EDGES: [(u8, u8); 12] = [(0, 1), (2, 3), (4, 5), (6, 7), (0, 2), (1, 3), (4, 6), (5, 7), (0, 4), (1, 5), (2, 6), (3, 7)];

/// Per set of inside corners: how many edges the surface crosses, then their numbers.
static CROSSED: [[u8; 13]; 256] = {
    let mut table = [[0; 13]; 256];
    let mut corners = 0;
    while corners < 256 {
        let (mut edge, mut count) = (0, 0);
        while edge < 12 {
            if corners >> EDGES[edge].0 & 1 != corners >> EDGES[edge].1 & 1 {
                count += 1;
                table[corners][count] = edge as u8;
            }
            edge += 1;
        }
        table[corners][0] = count as u8;
        corners += 1;
    }
    table
};

const SLICE: usize = PAD * PAD;
/// Bits of the samples whose edges a brick owns: voxels 0 to 15.
const OWN: u32 = (1 << (PAD - 1)) - 2;

/// Vertices and triangles of the loaded brick.
pub(super) fn emit(mesher: &mut Mesher, low: [bool; 3], out: &mut BrickMesh) {
    vertices(mesher, low, out);
    quads(&mesher.signs, low, |cells, flip| {
        let [a, b, c, d] = cells.map(|cell| mesher.ids[cell]);
        out.triangles.extend_from_slice(&if flip { [[a, c, b], [b, c, d]] } else { [[a, b, c], [b, d, c]] });
    });
}

/// Whether the brick owns an edge that the surface crosses.
pub(super) fn crosses(signs: &PaddedSigns, low: [bool; 3]) -> bool {
    let mut found = false;
    quads(signs, low, |_, _| found = true);
    found
}

/// Calls `quad` with the four cells around every owned edge that the surface crosses, and whether the edge leads into the tissue.
#[inline(always)]
fn quads(signs: &PaddedSigns, low: [bool; 3], mut quad: impl FnMut([usize; 4], bool)) {
    let [low_x, low_y, low_z] = low.map(|border| usize::from(!border));
    let mut each = |mut edges: u32, inside: u32, row: usize, steps: [usize; 2]| {
        while edges != 0 {
            let x = edges.trailing_zeros() as usize;
            edges &= edges - 1;
            let cell = row * PAD + x;
            quad([cell - steps[0] - steps[1], cell - steps[1], cell - steps[0], cell], inside >> x & 1 == 0);
        }
    };
    for z in low_z..=PAD - 2 {
        for y in low_y..=PAD - 2 {
            let row = z * PAD + y;
            let m = signs[row];
            if y > 0 && z > 0 {
                each((m ^ m >> 1) & (OWN | u32::from(low_x == 0)), m, row, [PAD, SLICE]);
            }
            if z > 0 {
                each((m ^ signs[row + 1]) & OWN, m, row, [SLICE, 1]);
            }
            if y > 0 {
                each((m ^ signs[row + PAD]) & OWN, m, row, [1, PAD]);
            }
        }
    }
}

fn vertices(mesher: &mut Mesher, low: [bool; 3], out: &mut BrickMesh) {
    let Mesher { patient, effective, signs, carved, ids, .. } = mesher;
    let cells = (1_u32 << (PAD - 1)) - 1;
    for z in 0..PAD - 1 {
        for y in 0..PAD - 1 {
            let row = z * PAD + y;
            let rows = [row, row + 1, row + PAD, row + PAD + 1];
            let m = rows.map(|row| signs[row]);
            let samples = rows.map(|row| &effective[row]);
            let (any, all) = (m[0] | m[1] | m[2] | m[3], m[0] & m[1] & m[2] & m[3]);
            let mut active = (any | any >> 1) & !(all & all >> 1) & cells;
            let touched = rows.iter().fold(0, |bits, row| bits | carved[*row]);
            // A cell before the brick's first voxel needs a vertex only where the brick owns a crossed edge of it.
            let side = if y == 0 && !low[1] { 0xcc } else { 0xff } & if z == 0 && !low[2] { 0xf0 } else { 0xff };
            while active != 0 {
                // The bound holds anyway; said here, it spares every read below a check.
                let x = (active.trailing_zeros() as usize).min(PAD - 2);
                active &= active - 1;
                let corners = m[0] >> x & 3 | (m[1] >> x & 3) << 2 | (m[2] >> x & 3) << 4 | (m[3] >> x & 3) << 6;
                let side = if x == 0 && !low[0] { side & 0xaa } else { side };
                if side != 0xff && (corners & side == 0 || corners & side == side) {
                    continue;
                }
                let values = corner_values(samples, x);
                let at = place(&values, &CROSSED[corners as usize]);
                ids[row * PAD + x] = out.positions.len() as u16;
                let offset = |cell: usize, at: i32| ((cell as i32 - 1) * MESH_PER_VOXEL + at) as i16;
                out.positions.push([offset(x, at[0]), offset(y, at[1]), offset(z, at[2])]);
                let part = at.map(|v| v as f32 / MESH_PER_VOXEL as f32);
                out.normals.push(normal(&values, part));
                out.cut.push(
                    touched >> x & 3 != 0
                        && is_cut(&corner_values(rows.map(|row| &patient[row]), x), &values, &CROSSED[corners as usize]),
                );
            }
        }
    }
}

/// The eight samples of a cell in half steps of 1/32 voxel: a sample v stands for v + ½, so none is 0.
#[inline(always)]
fn corner_values(rows: [&[i8; PAD]; 4], x: usize) -> [f32; 8] {
    let [a, b, c, d] = rows.map(|row| [row[x], row[x + 1]]);
    [a[0], a[1], b[0], b[1], c[0], c[1], d[0], d[1]].map(|v| f32::from(2 * i16::from(v) + 1))
}

/// The mean of the crossings, 1/256 voxel from the cell's first corner.
#[inline(always)]
fn place(values: &[f32; 8], crossed: &[u8; 13]) -> [i32; 3] {
    let mut sum = [0.0_f32; 3];
    let count = crossed[0] as usize;
    for &edge in &crossed[1..=count] {
        let (a, b) = EDGES[edge as usize];
        let (from, to) = (values[a as usize], values[b as usize]);
        sum[0] += f32::from(a & 1);
        sum[1] += f32::from(a >> 1 & 1);
        sum[2] += f32::from(a >> 2);
        sum[(edge >> 2) as usize] += from / (from - to);
    }
    let scale = MESH_PER_VOXEL as f32 / count as f32;
    sum.map(|v| (v * scale) as i32)
}

#[inline(always)]
fn mix(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

/// Whether a cut made the surface in a cell: at half or more of the crossed edges, either the outer corner was tissue, or the crossing
/// lies more than a quarter of a voxel deeper than it did. Nearer to the patient's own surface the two cannot be told apart.
fn is_cut(patient: &[f32; 8], left: &[f32; 8], crossed: &[u8; 13]) -> bool {
    const SHAVED: f32 = 0.25;
    let count = crossed[0] as usize;
    let cut = crossed[1..=count].iter().filter(|edge| {
        let (a, b) = EDGES[**edge as usize];
        let (inner, outer) = if left[a as usize] < 0.0 { (a as usize, b as usize) } else { (b as usize, a as usize) };
        let crossing = |values: &[f32; 8]| values[inner] / (values[inner] - values[outer]);
        patient[outer] < 0.0 || crossing(patient) - crossing(left) > SHAVED
    });
    2 * cut.count() >= count
}

/// The unit gradient of the trilinear interpolation; +z where it vanishes.
#[inline(always)]
fn normal(c: &[f32; 8], [u, v, w]: [f32; 3]) -> [f32; 3] {
    let g = [
        mix(mix(c[1] - c[0], c[3] - c[2], v), mix(c[5] - c[4], c[7] - c[6], v), w),
        mix(mix(c[2] - c[0], c[3] - c[1], u), mix(c[6] - c[4], c[7] - c[5], u), w),
        mix(mix(c[4] - c[0], c[5] - c[1], u), mix(c[6] - c[2], c[7] - c[3], u), v),
    ];
    let length = (g[0] * g[0] + g[1] * g[1] + g[2] * g[2]).sqrt();
    if length < 1e-3 {
        [0.0, 0.0, 1.0]
    } else {
        {
            let scale = 1.0 / length;
            g.map(|v| v * scale)
        }
    }
}
