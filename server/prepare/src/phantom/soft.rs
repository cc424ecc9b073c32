//! Discs, flava, dural sac, cord and roots, as they lie between the bones of one posture.

use super::math::*;
use super::params::*;
use super::sacrum::{self, Sacrum};
use super::vertebra::{Vertebra, kidney};

/// A disc in its own frame: origin in its middle, z along its axis.
#[derive(Clone, Debug)]
pub(super) struct Disc {
    pub frame: Frame,
    pub half_width: f64,
    pub half_depth: f64,
    pub height: f64,
    pub wedge_deg: f64,
    /// How far it stands out at the back beyond the rims.
    pub bulge_mm: f64,
}

impl Disc {
    /// Signed distance for a point in patient space, and how far out it lies (1 = rim).
    pub(super) fn distance(&self, p: V3) -> (f64, f64) {
        let q = self.frame.local(p);
        let (rho, side) = kidney(q[0], q[1], self.half_width, self.half_depth, [0.0, 0.0], 1.0);
        let tilt = sin_cos_deg(self.wedge_deg / 2.0).0 * q[1];
        let half = (self.height / 2.0 - tilt).max(1.0);
        let barrel = (1.0 - (q[2] / half) * (q[2] / half)).max(0.0);
        let u = q[0] / 13.0;
        let back = self.bulge_mm * smoothstep(0.2, 1.0, q[1] / self.half_depth) / (1.0 + u * u * u * u);
        let side = side - (0.5 + back) * barrel;
        let bowl = (1.0 - rho * rho).max(0.0);
        let reach = 0.5 + 0.9 * (bowl * 5.0).min(1.0);
        let upper = q[2] - (half + 2.6 * bowl + reach);
        let lower = -q[2] - (half + 1.9 * bowl + reach);
        (smooth_max(smooth_max(side, upper, 1.5), lower, 1.5), rho)
    }

    /// A point on the rim, `turn` degrees from the left over the back, `up` of the half-height above the middle.
    pub(super) fn rim(&self, turn_deg: f64, up: f64) -> V3 {
        let (s, c) = sin_cos_deg(turn_deg);
        let (rho, _) = kidney(c * self.half_width, s * self.half_depth, self.half_width, self.half_depth, [0.0, 0.0], 1.0);
        let at = [c * self.half_width / rho.max(0.1), s * self.half_depth / rho.max(0.1), up * self.height / 2.0];
        self.frame.outer(at)
    }
}

/// The bone below a flavum.
pub(super) enum Below<'a> {
    Vertebra(&'a Vertebra),
    Sacrum(&'a Sacrum),
}

/// A ligamentum flavum: a sheet from the deep surface of the upper lamina's lower half to the upper edge of the lower lamina.
#[derive(Clone, Debug)]
pub(super) struct Flavum {
    /// Frame of the upper vertebra.
    pub frame: Frame,
    /// Frame of the lower bone in that of the upper.
    lower_in_upper: Frame,
    pub thickness: f64,
    /// How much of that stenosis has added.
    added: f64,
    half_width: f64,
    roof: f64,
}

/// The sheet at one distance from the midline, in the upper vertebra's frame.
pub(super) struct Strip {
    /// Where the sheet begins, leaves the upper lamina, and ends: (y of its outer surface, z).
    pub top: [f64; 2],
    pub edge: [f64; 2],
    pub end: [f64; 2],
}

/// Up to how far above its lower end a flavum is as thick as without stenosis, and from where on it is as thick as with it, mm (K): a
/// degenerative stenosis lies at disc and facet joints, and beside the pedicles below the canal keeps its width.
const UNTHICKENED_MM: [f64; 2] = [6.0, 16.0];

impl Flavum {
    /// A flavum as thick as it is without stenosis, times a factor where the canal is narrowed.
    pub(super) fn new(
        upper: &Vertebra,
        upper_frame: Frame,
        below: &Below<'_>,
        lower_frame: &Frame,
        (normal, factor): (f64, f64),
    ) -> Self {
        let lower_in_upper = Frame {
            rows: {
                let columns = [0, 1, 2].map(|k| {
                    let mut e = [0.0; 3];
                    e[k] = 1.0;
                    upper_frame.turn_back(lower_frame.turn(e))
                });
                [0, 1, 2].map(|r| [columns[0][r], columns[1][r], columns[2][r]])
            },
            origin: upper_frame.local(lower_frame.origin),
        };
        let half_width = match below {
            Below::Vertebra(v) => v.level.half_canal + 0.5,
            Below::Sacrum(_) => 14.5,
        };
        let (thickness, added) = (normal * factor, normal * (factor - 1.0));
        Self { frame: upper_frame, lower_in_upper, thickness, added, half_width, roof: upper.level.roof }
    }

    /// The sheet at distance `x` from the midline.
    pub(super) fn strip(&self, upper: &Vertebra, below: &Below<'_>, x: f64) -> Strip {
        let edge_z = upper.lamina_edges(x)[0] + 1.4;
        let (end_y, end_z) = match below {
            Below::Vertebra(v) => {
                let z = v.lamina_edges(x)[1] - 1.2;
                (v.roof(x, z).0 + 1.6, z)
            }
            Below::Sacrum(s) => {
                let z = s.roof_top(x) - 1.2;
                (s.roof(x, z).0 + 1.6, z)
            }
        };
        let end = self.lower_in_upper.outer([x, end_y, end_z]);
        Strip { top: [upper.roof(x, LAMINA_Z).0, LAMINA_Z], edge: [upper.roof(x, edge_z).0, edge_z], end: [end[1], end[2]] }
    }

    /// Signed distance for a point in patient space.
    pub(super) fn distance(&self, upper: &Vertebra, below: &Below<'_>, p: V3) -> f64 {
        let q = self.frame.local(p);
        let x = soft_abs(q[0], 0.05);
        let s = self.strip(upper, below, x.min(self.half_width + 3.0));
        let slope = (s.edge[0] - s.end[0]) / (s.edge[1] - s.end[1]).max(1.0);
        let t = smoothstep(s.edge[1] + 1.0, s.edge[1] - 1.0, q[2]);
        let on_lamina = s.top[0] - LAMINA_SLOPE * (q[2] - s.top[1]);
        let free = s.edge[0] + slope * (q[2] - s.edge[1]);
        let outer = lerp(on_lamina, free, t);
        let k = self.roof * x / (x * x + 4.0).sqrt();
        let kz = lerp(-LAMINA_SLOPE, slope, t);
        let n = (1.0 + k * k + kz * kz).sqrt();
        let [from, to] = UNTHICKENED_MM.map(|above| s.end[1] + above);
        let thick = self.thickness - self.added * (1.0 - smoothstep(from, to, q[2]));
        let thick = thick * lerp(0.3, 1.0, smoothstep(s.top[1], s.top[1] - 5.0, q[2]));
        let buried = 0.7 * (1.0 - t);
        let depth = (outer - q[1]) / n;
        let sheet = (depth - (thick - buried) / 2.0).abs() - (thick + buried) / 2.0;
        let ends = smooth_max(q[2] - s.top[1], s.end[1] - 1.2 - q[2], 1.0);
        smooth_max(smooth_max(sheet, x - self.half_width, 2.0), ends, 1.5)
    }
}

/// A place on the curve through the middle of the dural sac.
#[derive(Clone, Copy, Debug)]
pub(super) struct Station {
    pub centre: V3,
    pub up: V3,
    pub left: V3,
    pub back: V3,
    /// Half-width and half-depth of the sac.
    pub sac: [f64; 2],
    /// Half-width and half-depth of the cord; 0 below its tip.
    pub cord: [f64; 2],
}

/// A knot of that curve: centre, direction to the left, area of the sac, its width over its depth, radius of the cord.
pub(super) struct Knot {
    pub centre: V3,
    pub left: V3,
    pub area: f64,
    pub flat: f64,
    pub cord: f64,
}

/// The dural sac with the cord: a tube with elliptic section along a curve.
#[derive(Clone, Debug)]
pub(super) struct Sac {
    pub stations: Vec<Station>,
    /// The station of each knot.
    pub knots: Vec<usize>,
}

/// Stations per mm of the curve.
const STATION_MM: f64 = 1.0;

impl Sac {
    /// The tube through knots that go from the bottom to the top.
    pub(super) fn through(knots: &[Knot]) -> Self {
        let (mut stations, mut places) = (Vec::new(), Vec::new());
        let at = |k: isize| &knots[k.clamp(0, knots.len() as isize - 1) as usize];
        for k in 0..knots.len() as isize - 1 {
            let (a, b, c, d) = (at(k - 1), at(k), at(k + 1), at(k + 2));
            let steps = (length(sub(c.centre, b.centre)) / STATION_MM).round().max(1.0);
            places.push(stations.len());
            for n in 0..steps as usize {
                let t = n as f64 / steps;
                let centre = spline(a.centre, b.centre, c.centre, d.centre, t);
                let e = smoothstep(0.0, 1.0, t);
                let area = lerp(b.area, c.area, e);
                let flat = lerp(b.flat, c.flat, e);
                let depth = (area / (std::f64::consts::PI * flat)).sqrt();
                let cord = lerp(b.cord, c.cord, t);
                stations.push(Station {
                    centre,
                    up: [0.0; 3],
                    left: mix(b.left, c.left, t),
                    back: [0.0; 3],
                    sac: [depth * flat, depth],
                    cord: [cord * 1.12, cord],
                });
            }
        }
        for k in 0..stations.len() {
            let low = stations[k.saturating_sub(1)].centre;
            let high = stations[(k + 1).min(stations.len() - 1)].centre;
            let s = &mut stations[k];
            s.up = unit(sub(high, low));
            s.left = unit(sub(s.left, scale(s.up, dot(s.left, s.up))));
            s.back = cross(s.up, s.left);
        }
        places.push(stations.len() - 1);
        Self { stations, knots: places }
    }

    /// Place along the curve nearest to `p`, in stations.
    pub(super) fn place(&self, p: V3) -> f64 {
        let last = self.stations.len() - 1;
        let mut s = self.stations.partition_point(|s| s.centre[2] < p[2]).min(last);
        for _ in 0..8 {
            let station = &self.stations[s];
            let off = dot(sub(p, station.centre), station.up) / STATION_MM;
            let step = (off * 0.8).round();
            if step == 0.0 {
                return s as f64 + off.clamp(-1.0, 1.0);
            }
            let next = (s as f64 + step).clamp(0.0, last as f64) as usize;
            if next == s {
                return s as f64 + off;
            }
            s = next;
        }
        let station = &self.stations[s];
        s as f64 + (dot(sub(p, station.centre), station.up) / STATION_MM).clamp(-1.0, 1.0)
    }

    /// The station at a place, between two.
    pub(super) fn at(&self, place: f64) -> Station {
        let last = self.stations.len() - 1;
        let s = place.clamp(0.0, last as f64);
        let k = (s as usize).min(last.saturating_sub(1));
        let t = s - k as f64;
        let (a, b) = (&self.stations[k], &self.stations[k + 1]);
        Station {
            centre: mix(a.centre, b.centre, t),
            up: mix(a.up, b.up, t),
            left: mix(a.left, b.left, t),
            back: mix(a.back, b.back, t),
            sac: [lerp(a.sac[0], b.sac[0], t), lerp(a.sac[1], b.sac[1], t)],
            cord: [lerp(a.cord[0], b.cord[0], t), lerp(a.cord[1], b.cord[1], t)],
        }
    }

    /// Coordinates of `p` across the curve: to the left, backwards, and its place.
    pub(super) fn across(&self, p: V3) -> ([f64; 2], Station, f64) {
        let place = self.place(p);
        let station = self.at(place);
        let d = sub(p, station.centre);
        ([dot(d, station.left), dot(d, station.back)], station, place)
    }

    /// Signed distances to the sac (cord included) and to the cord.
    pub(super) fn distances(&self, p: V3) -> (f64, f64) {
        let ([u, v], station, place) = self.across(p);
        let last = self.stations.len() as f64 - 1.0;
        let over = (place - last).max(-place) * STATION_MM;
        let tube = |r: [f64; 2]| if r[1] < 0.3 { length([u, v, 0.0]) + 1.0 } else { ellipsoid([u, v, 0.0], [r[0], r[1], 1.0]) };
        let sac = smooth_max(tube(station.sac), over, 3.0);
        (sac, smooth_max(tube(station.cord), over + 1.0, 1.0))
    }
}

/// Catmull-Rom spline from `b` to `c`.
pub(super) fn spline(a: V3, b: V3, c: V3, d: V3, t: f64) -> V3 {
    let mut out = [0.0; 3];
    for k in 0..3 {
        let (p, q, r, s) = (a[k], b[k], c[k], d[k]);
        out[k] =
            0.5 * (2.0 * q + (r - p) * t + (2.0 * p - 5.0 * q + 4.0 * r - s) * t * t + (3.0 * q - p - 3.0 * r + s) * t * t * t);
    }
    out
}

/// A nerve root: a tube of constant thickness with a slight swelling (the ganglion) in its foramen.
#[derive(Clone, Debug)]
pub(super) struct Root {
    pub points: Vec<V3>,
    pub radii: Vec<f64>,
}

impl Root {
    /// The root of vertebra `index` (5 = S1) on one side, from the sac through its foramen.
    pub(super) fn new(index: usize, left: bool, bone: &Frame, sac: &Sac) -> Self {
        let side = if left { 1.0 } else { -1.0 };
        let [diameter, angle] = LEVELS.get(index).map_or(ROOT_S1, |l| l.root);
        let r = diameter / 2.0;
        let way: Vec<V3> = match LEVELS.get(index) {
            None => sacrum::ROOT_PATH.iter().map(|p| bone.outer([side * p[0], p[1], p[2]])).collect(),
            Some(l) => {
                let back = (l.half_depth[0] + l.half_depth[1]) / 2.0;
                let [w, h] = l.pedicle;
                let below = PEDICLE_Z - 0.3 - h / 2.0;
                [
                    [l.half_canal - r - 1.3, back + 1.2 + r, below + 1.0],
                    [l.half_canal + 0.1 * w, back - 0.2 + r, below - r - 2.6],
                    [l.half_canal + 0.8 * w + 1.5, if index == 4 { back - 3.0 } else { back - 1.4 }, below - r - 6.2],
                    if index == 4 {
                        [l.half_canal + w + 1.0, back - 12.0, below - r - 14.0]
                    } else {
                        [l.half_canal + w + 8.0, back - 7.0, below - r - 16.0]
                    },
                    if index == 4 {
                        [l.half_canal + w + 2.0, back - 23.0, below - r - 24.0]
                    } else {
                        [l.half_canal + w + 12.0, back - 10.0, below - r - 27.0]
                    },
                ]
                .iter()
                .map(|p| bone.outer([side * p[0], p[1], p[2]]))
                .collect()
            }
        };
        let ([u, v], station, place) = sac.across(way[0]);
        let start = (station.sac[0] - 3.2).max(1.0);
        let (s, c) = sin_cos_deg(angle);
        let rise = ((u.abs() - start) * c / s).max(4.0);
        let from = sac.at(place + rise / STATION_MM);
        let first = add(from.centre, add(scale(from.left, side * start), scale(from.back, 0.75 * v)));
        let mut knots = vec![first];
        knots.extend(way);
        let (mut points, mut radii) = (Vec::new(), Vec::new());
        let at = |k: isize| knots[k.clamp(0, knots.len() as isize - 1) as usize];
        let last = knots.len() - 1;
        for k in 0..last as isize {
            for n in 0..5 {
                let t = f64::from(n) / 5.0;
                points.push(spline(at(k - 1), at(k), at(k + 1), at(k + 2), t));
                let along = k as f64 + t;
                let swell = 1.0 + 0.10 * (1.0 - (along - 2.4).abs() / 0.9).max(0.0);
                radii.push(r * swell);
            }
        }
        points.push(knots[last]);
        radii.push(r);
        Self { points, radii }
    }

    /// Signed distance in patient space.
    pub(super) fn distance(&self, p: V3) -> f64 {
        let mut d = f64::INFINITY;
        for k in 1..self.points.len() {
            d = d.min(taper(p, self.points[k - 1], self.points[k], self.radii[k - 1], self.radii[k]));
        }
        d
    }
}
