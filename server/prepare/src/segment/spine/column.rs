//! The line through bodies and discs, and where it is cut into vertebrae.

use super::lattice::{Lattice, STEP_MM};
use super::{Part, levels::Named};

/// How far along the spine the line is smoothed, mm: less than a vertebra's height, more than a disc's.
const SMOOTH_MM: f64 = 14.0;
/// Farthest from the line that a voxel of a body or disc counts for the profile, mm.
const COLUMN_RADIUS_MM: f64 = 32.0;
/// Farthest from the line that a body or disc reaches, mm.
const BODY_RADIUS_MM: f64 = 42.0;
/// Within this of the line the CT's density tells a disc from a body, mm.
const CORE_RADIUS_MM: f64 = 13.0;
/// A cut needs this share of disc in the section across the line.
const DISC_SHARE: f64 = 0.25;
/// Least section that counts, mm².
const LEAST_SECTION_MM2: f64 = 150.0;
/// Least distance between two discs, mm: cervical vertebrae are 15 mm apart.
const LEAST_APART_MM: f64 = 14.0;
/// Height of a vertebra with its disc where nothing in view tells, mm (K).
const USUAL_HEIGHT_MM: f64 = 34.0;
/// A stretch longer than this many times the others holds more than one vertebra.
const TOO_LONG: f64 = 1.55;
/// Share of sacrum in the section that makes a stretch the sacrum.
const SACRAL_SHARE: f64 = 0.3;
/// A body cut off by the image with less than this is left out, mm³.
const LEAST_BODY_MM3: f64 = 4_000.0;
/// A disc's voxels lie this near to its cut, mm.
const DISC_REACH_MM: f64 = 13.0;
/// The sacrum's wings reach this far above its end plate, mm.
const WINGS_MM: f64 = 20.0;

/// A stretch of the line between two cuts: one vertebra, or the sacrum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stretch {
    /// Lower end along the line, mm.
    pub(super) from: f64,
    /// Upper end, mm.
    pub(super) to: f64,
    /// Whether it is the sacrum.
    pub(super) sacral: bool,
    /// Whether there is enough of it to be a structure.
    pub(super) kept: bool,
    /// Whether its upper end was guessed, because no disc was found there.
    pub(super) guessed: bool,
}

/// The line and its stretches, lowest first.
pub(super) struct Column {
    /// x, y and their slopes at every z of the lattice.
    line: Vec<[f64; 4]>,
    /// Length along the line up to every z, mm.
    length: Vec<f64>,
    low_z: f64,
    /// Stretches from foot to head.
    pub(super) stretches: Vec<Stretch>,
    /// Whether a sacrum was found.
    pub(super) sacrum_seen: bool,
}

/// A voxel's place relative to the line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Along the line, mm, upwards.
    pub(super) along: f64,
    /// Off the line, mm.
    pub(super) off: f64,
    /// Behind the line, mm.
    pub(super) behind: f64,
    /// To the left or right of the line, mm.
    pub(super) aside: f64,
}

/// What lies in sections across the line, 1.5 mm apart.
struct Profile {
    start: f64,
    body: Vec<f64>,
    disc: Vec<f64>,
    sacrum: Vec<f64>,
    /// How much speaks for bone near the line: mean HU, and without a CT how much more of the section is body than disc, mm².
    solid: Vec<f64>,
}

impl Column {
    /// The line through the bodies, cut at the discs; none without bodies.
    pub(super) fn find(lattice: &Lattice) -> Option<Self> {
        let [_, _, nz] = lattice.size();
        let mut sums = vec![[0.0; 3]; nz];
        for (at, part) in lattice.parts.iter().enumerate() {
            if matches!(part, Part::Body | Part::Disc) {
                let (p, z) = (lattice.position(at), lattice.geometry.index_of(at)[2]);
                sums[z] = [sums[z][0] + 1.0, sums[z][1] + p[0], sums[z][2] + p[1]];
            }
        }
        let (line, length) = fit(&sums)?;
        let mut column = Self { line, length, low_z: lattice.geometry.origin_mm[2], stretches: Vec::new(), sacrum_seen: false };
        let profile = column.profile(lattice);
        column.stretches = stretches(&profile)?;
        let sacral_mm3 = Lattice::mm3(lattice.parts.iter().filter(|p| **p == Part::Sacrum).count());
        column.sacrum_seen = column.stretches.iter().any(|s| s.sacral) && sacral_mm3 > 0.0;
        column.stretches.iter().any(|s| s.kept && !s.sacral).then_some(column)
    }

    /// Where a position lies along and beside the line.
    pub(super) fn place(&self, p: [f64; 3]) -> Place {
        let top = (self.line.len() - 1) as f64 * STEP_MM;
        let mut z = (p[2] - self.low_z).clamp(0.0, top);
        let mut out = Place { along: 0.0, off: 0.0, behind: 0.0, aside: 0.0 };
        for _ in 0..5 {
            let (at, part) = ((z / STEP_MM).floor().min(top / STEP_MM - 1.0).max(0.0), z / STEP_MM);
            let (low, part) = (at as usize, part - at);
            let [x, y, dx, dy] = self.line[low];
            let centre = [x + dx * part * STEP_MM, y + dy * part * STEP_MM, self.low_z + z];
            let long = (1.0 + dx * dx + dy * dy).sqrt();
            let d = [p[0] - centre[0], p[1] - centre[1], p[2] - centre[2]];
            let ahead = (d[0] * dx + d[1] * dy + d[2]) / long;
            out = Place {
                along: self.length[low] + (part * STEP_MM) * long + ahead,
                off: (d[0] * d[0] + d[1] * d[1] + d[2] * d[2] - ahead * ahead).max(0.0).sqrt(),
                behind: d[1] - ahead * dy / long,
                aside: (d[0] - ahead * dx / long).abs(),
            };
            z = (z + ahead / long).clamp(0.0, top);
        }
        out
    }

    /// The stretch that a place along the line lies in; ends count for what lies beyond them.
    pub(super) fn stretch_at(&self, along: f64) -> usize {
        self.stretches.iter().rposition(|s| along >= s.from).unwrap_or(0)
    }

    /// The bone that every voxel of a body or of the sacrum belongs to: number of its stretch + 1, or 0. What was called sacrum but lies
    /// up in a vertebra becomes arch.
    pub(super) fn bodies(&self, lattice: &mut Lattice) -> Vec<u16> {
        let first = self.stretches.iter().position(|s| !s.sacral).unwrap_or(0);
        let floor = self.stretches.get(first).map_or(0.0, |s| s.from);
        let mut out = vec![0; lattice.parts.len()];
        for at in 0..out.len() {
            match lattice.parts[at] {
                Part::Body => {
                    let place = self.place(lattice.position(at));
                    if place.off < BODY_RADIUS_MM {
                        out[at] = self.stretch_at(place.along) as u16 + 1;
                    } else {
                        lattice.parts[at] = Part::Arch;
                    }
                }
                Part::Sacrum => {
                    let place = self.place(lattice.position(at));
                    if first > 0 && place.along < floor + WINGS_MM {
                        out[at] = first as u16;
                    } else {
                        lattice.parts[at] = Part::Arch;
                    }
                }
                _ => {}
            }
        }
        out
    }

    /// The label of every voxel of the lattice, given the bone each voxel belongs to and the stretches' names.
    pub(super) fn labels(&self, lattice: &Lattice, bones: &[u16], named: &Named) -> Vec<u16> {
        let mut out = vec![0; bones.len()];
        for (at, label) in out.iter_mut().enumerate() {
            *label = match lattice.parts[at] {
                Part::Background => 0,
                Part::Canal => spinor_volume::Label::DURAL_SAC.0,
                Part::Disc => {
                    let place = self.place(lattice.position(at));
                    let near = |n: usize| self.stretches.get(n).map_or(f64::INFINITY, |s| (s.from - place.along).abs());
                    let upper = (1..self.stretches.len()).min_by(|a, b| near(*a).total_cmp(&near(*b)));
                    upper.filter(|n| near(*n) < DISC_REACH_MM && place.off < BODY_RADIUS_MM).map_or(0, |n| named.disc_below(n))
                }
                Part::Body | Part::Arch | Part::Sacrum => match usize::from(bones[at]).checked_sub(1) {
                    Some(n) if self.stretches[n].kept => named.bone(n),
                    _ => 0,
                },
            };
        }
        out
    }

    fn profile(&self, lattice: &Lattice) -> Profile {
        let places: Vec<(usize, Place)> = (0..lattice.parts.len())
            .filter(|at| matches!(lattice.parts[*at], Part::Body | Part::Disc | Part::Sacrum))
            .map(|at| (at, self.place(lattice.position(at))))
            .filter(|(_, place)| place.off < COLUMN_RADIUS_MM)
            .collect();
        let start = places.iter().map(|(_, p)| p.along).fold(f64::INFINITY, f64::min);
        let end = places.iter().map(|(_, p)| p.along).fold(f64::NEG_INFINITY, f64::max);
        let bins = if start > end { 0 } else { ((end - start) / STEP_MM) as usize + 1 };
        let zero = || vec![0.0; bins];
        let mut out = Profile { start, body: zero(), disc: zero(), sacrum: zero(), solid: zero() };
        let mut core = zero();
        for (at, place) in places {
            let bin = ((place.along - start) / STEP_MM) as usize;
            let of = match lattice.parts[at] {
                Part::Body => &mut out.body,
                Part::Disc => &mut out.disc,
                _ => &mut out.sacrum,
            };
            of[bin] += STEP_MM * STEP_MM;
            if place.off < CORE_RADIUS_MM {
                out.solid[bin] += f64::from(lattice.hu[at]);
                core[bin] += 1.0;
            }
        }
        for (bin, count) in core.into_iter().enumerate() {
            out.solid[bin] = match count {
                _ if !lattice.dense => out.body[bin] - out.disc[bin],
                count if count > 0.0 => out.solid[bin] / count,
                _ => f64::INFINITY,
            };
        }
        out
    }
}

/// Local straight lines through the centres of all slices, and the length along them; none when there are too few.
fn fit(sums: &[[f64; 3]]) -> Option<(Vec<[f64; 4]>, Vec<f64>)> {
    let filled = |s: &[f64; 3]| s[0] * STEP_MM * STEP_MM > LEAST_SECTION_MM2;
    let (first, last) = (sums.iter().position(filled)?, sums.iter().rposition(filled)?);
    if (last - first) as f64 * STEP_MM < LEAST_APART_MM {
        return None;
    }
    let reach = (3.0 * SMOOTH_MM / STEP_MM) as usize;
    let mut line = Vec::with_capacity(sums.len());
    for z in 0..sums.len() {
        let middle = z.clamp(first, last);
        // Weighted least squares of x and y against the height above `middle`.
        let mut m = [0.0; 7];
        for other in middle.saturating_sub(reach)..(middle + reach + 1).min(sums.len()) {
            let [n, x, y] = sums[other];
            if n > 0.0 {
                let h = (other as f64 - middle as f64) * STEP_MM;
                let w = (-0.5 * (h / SMOOTH_MM) * (h / SMOOTH_MM)).exp();
                let terms = [n, n * h, n * h * h, x, x * h, y, y * h];
                m.iter_mut().zip(terms).for_each(|(sum, t)| *sum += w * t);
            }
        }
        let determinant = m[0] * m[2] - m[1] * m[1];
        if determinant <= 1e-6 * m[0] * m[0] {
            return None;
        }
        let slope = |v: f64, vh: f64| ((m[0] * vh - m[1] * v) / determinant).clamp(-1.2, 1.2);
        let (dx, dy) = (slope(m[3], m[4]), slope(m[5], m[6]));
        let at = |v: f64, d: f64| (v - d * m[1]) / m[0] + d * (z as f64 - middle as f64) * STEP_MM;
        line.push([at(m[3], dx), at(m[5], dy), dx, dy]);
    }
    let mut length = Vec::with_capacity(line.len());
    let mut sum = 0.0;
    for [_, _, dx, dy] in &line {
        length.push(sum);
        sum += STEP_MM * (1.0 + dx * dx + dy * dy).sqrt();
    }
    Some((line, length))
}

/// Cuts at the discs, and where a stretch is too long for one vertebra.
fn stretches(profile: &Profile) -> Option<Vec<Stretch>> {
    let section: Vec<f64> = (0..profile.body.len()).map(|n| profile.body[n] + profile.disc[n] + profile.sacrum[n]).collect();
    let filled = |n: &usize| section[*n] > LEAST_SECTION_MM2;
    let (first, last) = ((0..section.len()).find(filled)?, (0..section.len()).rfind(filled)?);
    let at = |n: usize| profile.start + (n as f64 + 0.5) * STEP_MM;
    let share: Vec<f64> =
        profile.disc.iter().zip(&section).map(|(d, s)| if *s > LEAST_SECTION_MM2 { d / s } else { 0.0 }).collect();
    let share = smooth(&share);

    // Highest share of disc first, none nearer to another than vertebrae are.
    let mut peaks: Vec<usize> = (first..=last).filter(|n| share[*n] >= DISC_SHARE).collect();
    peaks.sort_by(|a, b| share[*b].total_cmp(&share[*a]).then(a.cmp(b)));
    let mut cuts: Vec<usize> = Vec::new();
    for peak in peaks {
        if cuts.iter().all(|c| c.abs_diff(peak) as f64 * STEP_MM >= LEAST_APART_MM) {
            cuts.push(peak);
        }
    }
    cuts.sort_unstable();
    let gaps: Vec<f64> = cuts.windows(2).map(|pair| (pair[1] - pair[0]) as f64 * STEP_MM).collect();
    let usual = if gaps.len() >= 2 { median(gaps) } else { USUAL_HEIGHT_MM };

    let mut ends: Vec<(usize, bool)> = vec![(first, false)];
    ends.extend(cuts.iter().map(|c| (*c, false)));
    ends.push((last + 1, false));
    let mut all = vec![ends[0]];
    for pair in ends.windows(2) {
        let (from, to) = (pair[0].0, pair[1].0);
        let long = (to - from) as f64 * STEP_MM;
        let sacral = share_of_sacrum(profile, from, to) >= SACRAL_SHARE;
        if long > TOO_LONG * usual && !sacral {
            let parts = (long / usual).round().max(2.0) as usize;
            for k in 1..parts {
                let aim = from + (to - from) * k / parts;
                let reach = (0.28 * usual / STEP_MM) as usize;
                let window = aim.saturating_sub(reach).max(from + 1)..(aim + reach + 1).min(to);
                let off = |n: usize| n.abs_diff(aim);
                let less = |a: &usize, b: &usize| profile.solid[*a].total_cmp(&profile.solid[*b]).then(off(*a).cmp(&off(*b)));
                if let Some(best) = window.min_by(less) {
                    all.push((best, true));
                }
            }
        }
        all.push(pair[1]);
    }
    all.sort_unstable();
    all.dedup_by_key(|end| end.0);

    let mut out: Vec<Stretch> = Vec::new();
    let mut sacral_below = true;
    let count = all.len() - 1;
    for (n, pair) in all.windows(2).enumerate() {
        let (from, to) = (pair[0].0, pair[1].0);
        sacral_below &= share_of_sacrum(profile, from, to) >= SACRAL_SHARE;
        let body_mm3: f64 = profile.body.get(from..to).map_or(0.0, |b| b.iter().sum::<f64>() * STEP_MM);
        let between = n > 0 && n + 1 < count;
        let kept = sacral_below || between || body_mm3 >= LEAST_BODY_MM3;
        out.push(Stretch { from: at(from), to: at(to), sacral: sacral_below, kept, guessed: pair[1].1 });
    }
    Some(out)
}

fn share_of_sacrum(profile: &Profile, from: usize, to: usize) -> f64 {
    let sum = |v: &[f64]| v.get(from..to).map_or(0.0, |v| v.iter().sum::<f64>());
    let (sacrum, body) = (sum(&profile.sacrum), sum(&profile.body));
    if sacrum + body > 0.0 { sacrum / (sacrum + body) } else { 0.0 }
}

/// Mean of three neighbours, twice.
fn smooth(values: &[f64]) -> Vec<f64> {
    let once = |v: &[f64]| -> Vec<f64> {
        let last = v.len().saturating_sub(1);
        (0..v.len()).map(|n| (v[n.saturating_sub(1)] + v[n] + v[(n + 1).min(last)]) / 3.0).collect()
    };
    once(&once(values))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
