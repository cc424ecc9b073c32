//! Planes that were drawn on, as an even stack: parallel planes a step apart, some of which may be empty.

/// Planes closer than this are one, mm: positions are rounded when they are written.
const SAME_MM: f64 = 0.02;
/// Smallest step of a stack, mm.
const LEAST_STEP_MM: f64 = 0.1;
/// How far a plane may lie off its even place: a share of the step, and rounding, mm.
const OFF_SHARE: f64 = 0.05;
const OFF_MM: f64 = 0.02;

/// An even stack.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stack {
    /// Place of the first plane along the normal, mm.
    pub(super) first_mm: f64,
    /// Distance of planes, mm.
    pub(super) step_mm: f64,
    /// Planes, the empty ones included.
    pub(super) count: usize,
}

impl Stack {
    /// The plane at a place along the normal; it must be one of those the stack was made from.
    pub(super) fn plane(&self, along_mm: f64) -> usize {
        ((along_mm - self.first_mm) / self.step_mm).round().clamp(0.0, self.count as f64 - 1.0) as usize
    }
}

/// Why planes form no stack.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Uneven {
    /// There is none.
    None,
    /// One plane and nothing that says how thick it is.
    Single,
    /// The distances are no multiples of one step: smallest and largest, mm.
    Steps(f64, f64),
    /// More planes than an image has.
    TooMany,
}

impl std::fmt::Display for Uneven {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("nothing is drawn"),
            Self::Single => f.write_str("a single plane is drawn on, and nothing says how thick it is"),
            Self::Steps(low, high) => {
                write!(f, "the planes drawn on are unevenly spaced ({low:.2} to {high:.2} mm, no multiples of one step)")
            }
            Self::TooMany => f.write_str("there are more planes than any image has"),
        }
    }
}

/// The stack of planes at places along their common normal. `step_mm` is what the file says; it is believed where it fits.
pub(super) fn stack(along_mm: &[f64], step_mm: Option<f64>) -> Result<Stack, Uneven> {
    let mut sorted: Vec<f64> = along_mm.iter().copied().filter(|v| v.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    sorted.dedup_by(|a, b| *a - *b < SAME_MM);
    let (Some(first), Some(last)) = (sorted.first().copied(), sorted.last().copied()) else { return Err(Uneven::None) };
    let stated = step_mm.filter(|step| (LEAST_STEP_MM..=100.0).contains(step));
    if sorted.len() == 1 {
        return stated.map(|step_mm| Stack { first_mm: first, step_mm, count: 1 }).ok_or(Uneven::Single);
    }
    let gaps = || sorted.windows(2).map(|pair| pair[1] - pair[0]);
    let (low, high) = gaps().fold((f64::INFINITY, 0.0_f64), |(low, high), gap| (low.min(gap), high.max(gap)));
    for step in stated.into_iter().chain((low >= LEAST_STEP_MM).then_some(low)) {
        // Counted from plane to plane, so that a step that is off by rounding does not add up.
        let planes: f64 = gaps().map(|gap| (gap / step).round()).sum();
        if planes < 1.0 {
            continue;
        }
        let fine = (last - first) / planes;
        let off = |at: &f64| {
            let place = (at - first) / fine;
            (place - place.round()).abs() * fine
        };
        if (fine - step).abs() <= OFF_SHARE * step && sorted.iter().all(|at| off(at) <= OFF_SHARE * fine + OFF_MM) {
            if planes >= crate::volume3d::MAX_AXIS as f64 {
                return Err(Uneven::TooMany);
            }
            return Ok(Stack { first_mm: first, step_mm: fine, count: planes as usize + 1 });
        }
    }
    Err(Uneven::Steps(low, high))
}

#[cfg(test)]
mod tests {
    //! Stacks with empty planes are found, and what is no stack is named.

    use super::*;

    #[test]
    fn empty_planes_count() {
        let made = stack(&[14.0, 10.0, 11.999, 20.0, 12.0], Some(2.0)).unwrap();
        assert_eq!((made.first_mm, made.step_mm, made.count), (10.0, 2.0, 6));
        assert_eq!([10.0, 14.0, 20.0].map(|at| made.plane(at)), [0, 2, 5]);
        assert_eq!(stack(&[0.0, 3.0, 9.0], None).unwrap().count, 4);
        // A stated thickness that is no step is not believed.
        assert_eq!(stack(&[0.0, 3.0, 6.0], Some(2.0)).unwrap().step_mm, 3.0);
        assert_eq!(stack(&[5.0, 5.0], Some(1.5)), Ok(Stack { first_mm: 5.0, step_mm: 1.5, count: 1 }));
    }

    #[test]
    fn what_is_no_stack_is_named() {
        assert_eq!(stack(&[], Some(1.0)), Err(Uneven::None));
        assert_eq!(stack(&[4.0, f64::NAN], None), Err(Uneven::Single));
        assert!(matches!(stack(&[0.0, 2.0, 3.1, 9.0], None), Err(Uneven::Steps(..))));
        assert!(matches!(stack(&[0.0, 0.03, 9.0], None), Err(Uneven::Steps(..))));
        assert_eq!(stack(&[0.0, 0.1, 90_000.0], None), Err(Uneven::TooMany));
    }

    /// A step rounded to two digits in the header does not drift over a long stack.
    #[test]
    fn rounded_steps_do_not_drift() {
        let along: Vec<f64> = (0..600).map(|n| f64::from(n) * 0.6251).collect();
        assert_eq!(stack(&along, Some(0.63)).unwrap().count, 600);
    }
}
