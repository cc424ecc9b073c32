//! Rigid motions of one bone, and the small linear algebra that fitting them needs.

pub(super) use crate::vector::{V3, add, cross, dot, length, scale, sub};

/// A matrix by rows.
pub(super) type M3 = [[f64; 3]; 3];

/// A rigid transform `b_from_a`: rows of the rotation with the translation in mm last, as the case file stores it.
pub type Rigid = [[f64; 4]; 3];

pub(super) fn product(a: &M3, b: &M3) -> M3 {
    [0, 1, 2].map(|r| [0, 1, 2].map(|c| a[r][0] * b[0][c] + a[r][1] * b[1][c] + a[r][2] * b[2][c]))
}

pub(super) fn transposed(a: &M3) -> M3 {
    [0, 1, 2].map(|r| [0, 1, 2].map(|c| a[c][r]))
}

pub(super) fn turn(m: &M3, v: V3) -> V3 {
    m.map(|row| dot(row, v))
}

/// The rotation about `w` by its length in radians (Rodrigues).
pub(super) fn rotation(w: V3) -> M3 {
    let angle = length(w);
    let (a, b) = if angle < 1e-6 {
        (1.0 - angle * angle / 6.0, 0.5 - angle * angle / 24.0)
    } else {
        (angle.sin() / angle, (1.0 - angle.cos()) / (angle * angle))
    };
    let k = [[0.0, -w[2], w[1]], [w[2], 0.0, -w[0]], [-w[1], w[0], 0.0]];
    let kk = product(&k, &k);
    [0, 1, 2].map(|r| [0, 1, 2].map(|c| f64::from(u8::from(r == c)) + a * k[r][c] + b * kk[r][c]))
}

/// The vector whose [`rotation`] a matrix is; angles stay below half a turn.
pub(super) fn rotation_vector(m: &M3) -> V3 {
    let axis = [m[2][1] - m[1][2], m[0][2] - m[2][0], m[1][0] - m[0][1]];
    let sine = length(axis) / 2.0;
    let cosine = (m[0][0] + m[1][1] + m[2][2] - 1.0) / 2.0;
    let angle = sine.atan2(cosine);
    if sine < 1e-9 { scale(axis, 0.5) } else { scale(axis, angle / (2.0 * sine)) }
}

/// Where a bone goes from CT to MR: turned about a point of its own, then shifted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pose {
    /// The point it turns about, in the CT's frame.
    pub centre: V3,
    pub turn: M3,
    pub shift: V3,
}

impl Pose {
    /// Nothing turned, everything shifted.
    pub(super) fn shifted(centre: V3, shift: V3) -> Self {
        Self { centre, turn: rotation([0.0; 3]), shift }
    }

    /// `mr_from_ct` of a position.
    pub(super) fn mr(&self, ct: V3) -> V3 {
        add(add(turn(&self.turn, sub(ct, self.centre)), self.centre), self.shift)
    }

    /// The same transform, turning about another point.
    pub(super) fn about(&self, centre: V3) -> Self {
        Self { centre, turn: self.turn, shift: sub(self.mr(centre), centre) }
    }

    /// Turned further by `w` (radians, about its own point, in the MR's axes) and shifted further by `t`.
    pub(super) fn moved(&self, w: V3, t: V3) -> Self {
        Self { centre: self.centre, turn: tidy(&product(&rotation(w), &self.turn)), shift: add(self.shift, t) }
    }

    pub(super) fn rigid(&self) -> Rigid {
        let t = self.mr([0.0; 3]);
        [0, 1, 2].map(|r| [self.turn[r][0], self.turn[r][1], self.turn[r][2], t[r]])
    }
}

/// A rotation with the rounding of many products taken off.
fn tidy(m: &M3) -> M3 {
    let x = scale(m[0], 1.0 / length(m[0]));
    let y = sub(m[1], scale(x, dot(m[1], x)));
    let y = scale(y, 1.0 / length(y));
    [x, y, cross(x, y)]
}

/// `b_from_a` of a position.
pub(crate) fn moved(m: &Rigid, p: V3) -> V3 {
    m.map(|[a, b, c, t]| a * p[0] + b * p[1] + c * p[2] + t)
}

/// The inverse of a rigid transform.
pub(crate) fn inverse(m: &Rigid) -> Rigid {
    let back = |v: V3| [0, 1, 2].map(|k| m[0][k] * v[0] + m[1][k] * v[1] + m[2][k] * v[2]);
    let t = back([m[0][3], m[1][3], m[2][3]]);
    [0, 1, 2].map(|r| [m[0][r], m[1][r], m[2][r], -t[r]])
}

/// The rigid transform that carries `from` onto `to` best in the sense of least squares (Horn 1987, doi:10.1364/JOSAA.4.000629,
/// solved by Newton steps on the rotation). Points on a line leave the turn about it as it is.
pub(super) fn best_rigid(pairs: &[(V3, V3)], start: &M3) -> Option<Pose> {
    if pairs.is_empty() {
        return None;
    }
    let mean = |of: &dyn Fn(&(V3, V3)) -> V3| scale(pairs.iter().map(of).fold([0.0; 3], add), 1.0 / pairs.len() as f64);
    let (centre, target) = (mean(&|p| p.0), mean(&|p| p.1));
    let mut pose = Pose { centre, turn: *start, shift: sub(target, centre) };
    for _ in 0..30 {
        let (mut h, mut g) = ([[0.0; 6]; 6], [0.0; 6]);
        for (a, b) in pairs {
            let arm = turn(&pose.turn, sub(*a, centre));
            let rest = sub(sub(*b, target), arm);
            let push = cross(arm, rest);
            let square = dot(arm, arm);
            for r in 0..3 {
                g[r] += push[r];
                for c in 0..3 {
                    h[r][c] += f64::from(u8::from(r == c)) * square - arm[r] * arm[c];
                }
            }
        }
        // A little stiffness keeps the turn about a line of points where it was; the rest of the matrix only fills it up.
        let trace = h[0][0] + h[1][1] + h[2][2] + 1e-9;
        for k in 0..6 {
            h[k][k] += if k < 3 { 1e-6 * trace } else { 1.0 };
        }
        let step = solve(&h, &g)?;
        let w = [step[0], step[1], step[2]];
        pose = pose.moved(w, [0.0; 3]);
        if length(w) < 1e-10 {
            break;
        }
    }
    Some(pose)
}

/// Solves a symmetric positive definite system by Cholesky's method; none where it is not.
pub(super) fn solve(h: &[[f64; 6]; 6], g: &[f64; 6]) -> Option<[f64; 6]> {
    let low = cholesky(h)?;
    let mut y = [0.0; 6];
    for r in 0..6 {
        y[r] = (g[r] - (0..r).map(|c| low[r][c] * y[c]).sum::<f64>()) / low[r][r];
    }
    let mut x = [0.0; 6];
    for r in (0..6).rev() {
        x[r] = (y[r] - (r + 1..6).map(|c| low[c][r] * x[c]).sum::<f64>()) / low[r][r];
    }
    Some(x)
}

/// The inverse of a symmetric positive definite matrix.
pub(super) fn inverted(h: &[[f64; 6]; 6]) -> Option<[[f64; 6]; 6]> {
    let mut out = [[0.0; 6]; 6];
    for k in 0..6 {
        let mut unit = [0.0; 6];
        unit[k] = 1.0;
        let column = solve(h, &unit)?;
        for r in 0..6 {
            out[r][k] = column[r];
        }
    }
    Some(out)
}

fn cholesky(h: &[[f64; 6]; 6]) -> Option<[[f64; 6]; 6]> {
    let mut low = [[0.0; 6]; 6];
    for r in 0..6 {
        for c in 0..=r {
            let rest = h[r][c] - (0..c).map(|k| low[r][k] * low[c][k]).sum::<f64>();
            if r == c {
                if !(rest > 0.0 && rest.is_finite()) {
                    return None;
                }
                low[r][r] = rest.sqrt();
            } else {
                low[r][c] = rest / low[c][c];
            }
        }
    }
    Some(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: V3, b: V3, tolerance: f64) -> bool {
        length(sub(a, b)) < tolerance
    }

    /// Rotation and its vector are inverse to each other, poses to their matrices' inverses.
    #[test]
    fn turns_are_undone() {
        for w in [[0.3, -0.2, 0.5], [1e-9, 0.0, 0.0], [0.0, 2.0, -1.0]] {
            assert!(near(rotation_vector(&rotation(w)), w, 1e-9), "{w:?}");
        }
        let pose = Pose::shifted([4.0, 5.0, 6.0], [1.0, 2.0, 3.0]).moved([0.1, 0.4, -0.2], [3.0, 0.0, 0.0]);
        let p = [10.0, -20.0, 30.0];
        assert!(near(moved(&pose.rigid(), p), pose.mr(p), 1e-12));
        assert!(near(moved(&inverse(&pose.rigid()), pose.mr(p)), p, 1e-12));
        assert!(near(pose.about([7.0, 7.0, 7.0]).mr(p), pose.mr(p), 1e-12));
    }

    /// A known motion is found from points; from points on a line it is found where they lie.
    #[test]
    fn known_motions_are_found() {
        let truth = Pose::shifted([0.0; 3], [5.0, -80.0, 300.0]).moved([0.25, -0.1, 0.05], [0.0; 3]);
        let points = [[0.0, 0.0, 0.0], [10.0, 2.0, 40.0], [-20.0, 9.0, 80.0], [5.0, 30.0, 60.0]];
        let pairs: Vec<(V3, V3)> = points.iter().map(|p| (*p, truth.mr(*p))).collect();
        let found = best_rigid(&pairs, &rotation([0.0; 3])).unwrap();
        assert!(near(found.mr([50.0, 50.0, 50.0]), truth.mr([50.0, 50.0, 50.0]), 1e-6));
        let line: Vec<(V3, V3)> = (0..4).map(|k| [0.0, 0.0, 30.0 * f64::from(k)]).map(|p| (p, truth.mr(p))).collect();
        let found = best_rigid(&line, &rotation([0.0; 3])).unwrap();
        assert!(line.iter().all(|(a, b)| near(found.mr(*a), *b, 1e-4)));
    }

    /// A system that is not positive definite is refused.
    #[test]
    fn a_flat_system_has_no_solution() {
        assert!(solve(&[[0.0; 6]; 6], &[1.0; 6]).is_none());
    }
}
