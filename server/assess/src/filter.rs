//! Smoothed derivatives of a hand's recorded way.
//!
//! Positions come once a tick (60 Hz) and carry the noise of tracking, which every derivative multiplies. Speed, acceleration and jerk are
//! therefore those of a cubic fitted by least squares to 13 ticks around each (Savitzky and Golay 1964): it passes what is slower than
//! about 8 Hz (half the amplitude; Schafer 2011, IEEE Signal Process Mag 28, rule for the cutoff of such filters) and changes no straight,
//! parabolic or cubic way at all. What it takes off is the tremor that is reported beside it.

/// Ticks before and after the one that is looked at.
pub const HALF: usize = 6;
/// Ticks that one figure is taken from.
pub const WINDOW: usize = 2 * HALF + 1;

/// A way's derivatives at one tick, of all three axes together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Derivatives {
    /// Which place of the way.
    pub at: usize,
    /// Speed, mm/s.
    pub speed: f64,
    /// Acceleration's size, mm/s².
    pub acceleration: f64,
    /// Jerk's size, mm/s³.
    pub jerk: f64,
    /// How far the position lies from the smoothed way, mm.
    pub off_mm: f64,
}

/// Derivatives of a way of positions, one a tick without gaps, in mm. The first and last six ticks have none.
pub fn derivatives(way: &[[f64; 3]], hz: f64) -> Vec<Derivatives> {
    way.windows(WINDOW).enumerate().map(|(k, window)| at_middle(window, hz, k + HALF)).collect()
}

fn at_middle(window: &[[f64; 3]], hz: f64, at: usize) -> Derivatives {
    let place = |n: usize| n as f64 - HALF as f64;
    let power = |p: i32| (0..WINDOW).map(|n| place(n).powi(p)).sum::<f64>();
    let (count, s2, s4, s6) = (WINDOW as f64, power(2), power(4), power(6));
    let mut squares = [0.0; 4];
    for axis in 0..3 {
        // Relative to the middle, so that positions of metres lose no digits.
        let middle = window[HALF][axis];
        let moment = |p: i32| (0..WINDOW).map(|n| place(n).powi(p) * (window[n][axis] - middle)).sum::<f64>();
        let (m0, m1, m2, m3) = (moment(0), moment(1), moment(2), moment(3));
        // Even and odd powers do not mix, so that two equations of two unknowns give the cubic a0 + a1 n + a2 n² + a3 n³.
        let even = count * s4 - s2 * s2;
        let odd = s2 * s6 - s4 * s4;
        let a0 = (s4 * m0 - s2 * m2) / even;
        let a2 = (count * m2 - s2 * m0) / even;
        let a1 = (s6 * m1 - s4 * m3) / odd;
        let a3 = (s2 * m3 - s4 * m1) / odd;
        for (square, value) in squares.iter_mut().zip([a1 * hz, 2.0 * a2 * hz * hz, 6.0 * a3 * hz * hz * hz, a0]) {
            *square += value * value;
        }
    }
    let [speed, acceleration, jerk, off_mm] = squares.map(f64::sqrt);
    Derivatives { at, speed, acceleration, jerk, off_mm }
}

/// The value below which a share of the values lies (nearest rank); none of no values. The order of `values` is changed.
pub fn quantile(values: &mut [f64], share: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let rank = (share * values.len() as f64).ceil() as usize;
    values.get(rank.saturating_sub(1).min(values.len().wrapping_sub(1))).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cubic way has exactly its analytic derivatives and no tremor.
    #[test]
    fn a_cubic_keeps_its_derivatives() {
        let hz = 60.0;
        let way: Vec<[f64; 3]> = (0..40)
            .map(|n| {
                let t = f64::from(n) / hz;
                [-500.0 + 3.0 * t, 40.0 + 2.0 * t * t, 7.0 - 5.0 * t * t * t]
            })
            .collect();
        for d in derivatives(&way, hz) {
            let t = d.at as f64 / hz;
            let speed = (9.0 + 16.0 * t * t + 225.0 * t.powi(4)).sqrt();
            let acceleration = (16.0 + 900.0 * t * t).sqrt();
            assert!((d.speed - speed).abs() < 1e-6, "{d:?} {speed}");
            assert!((d.acceleration - acceleration).abs() < 1e-4, "{d:?} {acceleration}");
            assert!((d.jerk - 30.0).abs() < 1e-2 && d.off_mm < 1e-9, "{d:?}");
        }
        assert_eq!(derivatives(&way, hz).len(), 40 - 12);
        assert!(derivatives(&way[..12], hz).is_empty());
    }

    /// A tremor of 20 Hz counts as tremor, one of 1 Hz as way.
    #[test]
    fn fast_shaking_is_tremor_and_slow_swinging_is_motion() {
        let way = |f: f64| -> Vec<[f64; 3]> {
            (0..240).map(|n| [(f64::from(n) / 60.0 * f * std::f64::consts::TAU).sin(), 0.0, 0.0]).collect()
        };
        let rms = |f: f64| {
            let all = derivatives(&way(f), 60.0);
            (all.iter().map(|d| d.off_mm * d.off_mm).sum::<f64>() / all.len() as f64).sqrt()
        };
        let whole = std::f64::consts::FRAC_1_SQRT_2;
        assert!(rms(1.0) < 0.01 * whole, "{}", rms(1.0));
        assert!(rms(20.0) > 0.75 * whole, "{}", rms(20.0));
    }

    #[test]
    fn quantiles_are_values_of_the_list() {
        assert_eq!(quantile(&mut [], 0.5), None);
        assert_eq!(quantile(&mut [3.0, 1.0, 2.0], 0.5), Some(2.0));
        assert_eq!(quantile(&mut [3.0, 1.0, 2.0, 4.0], 0.95), Some(4.0));
        assert_eq!(quantile(&mut [3.0], 0.0), Some(3.0));
    }
}
