//! Smoothed derivatives of a hand's recorded way.
//!
//! Positions come once a tick (60 Hz) and carry the noise of tracking, which every derivative multiplies. Speed, acceleration and jerk are
//! therefore those of a cubic fitted by least squares to 13 ticks around each (Savitzky and Golay 1964): it passes what is slower than
//! about 8 Hz (half the amplitude; Schafer 2011, IEEE Signal Process Mag 28, rule for the cutoff of such filters) and changes no straight,
//! parabolic or cubic way at all.
//!
//! Tremor is not what such smoothing takes off: that holds every start, stop and turn of a hand that moves on purpose, and little of the
//! band in which hands shake. It is taken from the spectrum instead, while the hand is slow.

/// Ticks before and after the one that is looked at.
pub const HALF: usize = 6;
/// Ticks that one figure is taken from.
pub const WINDOW: usize = 2 * HALF + 1;

/// Band of a hand's tremor, Hz. Source: hands of healthy people shake with a clear peak between 6 and 12 Hz (Lakie 2015, J Physiol 593).
pub const TREMOR_HZ: [f64; 2] = [6.0, 12.0];
/// Length of the stretches that tremor is taken from, s: three periods of the slowest (K).
pub const STRETCH_S: f64 = 0.5;
/// Up to which mean speed a hand is held still or led slowly, mm/s (K): starts, stops and turns of a faster one reach into the band.
pub const SLOW_MM_PER_S: f64 = 10.0;

/// A way's derivatives at one tick, of all three axes together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Derivatives {
    /// Which place of the way, from 0.
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
    let mut squares = [0.0; 4];
    for axis in 0..3 {
        // Relative to the middle, so that positions of metres lose no digits.
        let values: Vec<f64> = window.iter().map(|place| place[axis] - window[HALF][axis]).collect();
        let [a0, a1, a2, a3] = cubic(&values);
        for (square, value) in squares.iter_mut().zip([a1 * hz, 2.0 * a2 * hz * hz, 6.0 * a3 * hz * hz * hz, a0]) {
            *square += value * value;
        }
    }
    let [speed, acceleration, jerk, off_mm] = squares.map(f64::sqrt);
    Derivatives { at, speed, acceleration, jerk, off_mm }
}

/// How far a value's place lies from the middle of so many.
fn place(n: usize, count: usize) -> f64 {
    n as f64 - (count as f64 - 1.0) / 2.0
}

/// The cubic a0 + a1 n + a2 n² + a3 n³ that fits values best, by least squares; n is 0 in their middle.
fn cubic(values: &[f64]) -> [f64; 4] {
    let n = values.len();
    let power = |p: i32| (0..n).map(|k| place(k, n).powi(p)).sum::<f64>();
    let (count, s2, s4, s6) = (n as f64, power(2), power(4), power(6));
    let moment = |p: i32| values.iter().enumerate().map(|(k, value)| place(k, n).powi(p) * value).sum::<f64>();
    let (m0, m1, m2, m3) = (moment(0), moment(1), moment(2), moment(3));
    // Even and odd powers do not mix, so that two equations of two unknowns give each pair.
    let even = count * s4 - s2 * s2;
    let odd = s2 * s6 - s4 * s4;
    [(s4 * m0 - s2 * m2) / even, (s6 * m1 - s4 * m3) / odd, (count * m2 - s2 * m0) / even, (s2 * m3 - s4 * m1) / odd]
}

/// A hand's shaking in the band of tremor, mm: the root mean square of all three axes together, of each half second (overlapping by half)
/// in which the hand moved slowly. `way` holds positions in mm, one a tick without gaps. A cubic fitted to each half second is taken off,
/// and what is left is summed over the band of its spectrum (Hann window).
pub fn shaking(way: &[[f64; 3]], hz: f64) -> Vec<f64> {
    let ticks = (STRETCH_S * hz).round();
    // At fewer ticks the band is beyond what they can show.
    if !(2.0 * TREMOR_HZ[1]..=10_000.0).contains(&hz) {
        return Vec::new();
    }
    let ticks = ticks as usize;
    way.windows(ticks).step_by(ticks / 2).filter_map(|stretch| shaking_mm(stretch, hz)).collect()
}

fn shaking_mm(stretch: &[[f64; 3]], hz: f64) -> Option<f64> {
    let n = stretch.len();
    let first = stretch.first()?;
    let off: [Vec<f64>; 3] = std::array::from_fn(|axis| stretch.iter().map(|at| at[axis] - first[axis]).collect());
    let fits = [cubic(&off[0]), cubic(&off[1]), cubic(&off[2])];
    let fit = |axis: usize, k: usize| {
        let ([a0, a1, a2, a3], p) = (fits[axis], place(k, n));
        a0 + p * (a1 + p * (a2 + p * a3))
    };
    let step = |k: usize| (0..3).map(|axis| (fit(axis, k) - fit(axis, k - 1)).powi(2)).sum::<f64>().sqrt();
    let speed = (1..n).map(step).sum::<f64>() * hz / (n as f64 - 1.0);
    if speed > SLOW_MM_PER_S {
        return None;
    }
    let turn = std::f64::consts::TAU / n as f64;
    let window: Vec<f64> = (0..n).map(|k| 0.5 - 0.5 * (turn * (k as f64 + 0.5)).cos()).collect();
    let weight = n as f64 * window.iter().map(|w| w * w).sum::<f64>();
    let mut power = 0.0;
    for bin in (1..n / 2).filter(|bin| (TREMOR_HZ[0]..=TREMOR_HZ[1]).contains(&(*bin as f64 * hz / n as f64))) {
        for axis in 0..3 {
            let (mut re, mut im) = (0.0, 0.0);
            for (k, w) in window.iter().enumerate() {
                let (value, angle) = (w * (off[axis][k] - fit(axis, k)), turn * (bin * k) as f64);
                (re, im) = (re + value * angle.cos(), im + value * angle.sin());
            }
            // Twice: the other half of the spectrum is its mirror.
            power += 2.0 * (re * re + im * im) / weight;
        }
    }
    Some(power.sqrt())
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

    /// Smoothing takes off what is fast and leaves what is slow.
    #[test]
    fn fast_swinging_is_taken_off_and_slow_swinging_is_motion() {
        let rms = |f: f64| {
            let all = derivatives(&swing(f, 1.0), 60.0);
            (all.iter().map(|d| d.off_mm * d.off_mm).sum::<f64>() / all.len() as f64).sqrt()
        };
        assert!(rms(1.0) < 0.01 * RMS, "{}", rms(1.0));
        assert!(rms(20.0) > 0.75 * RMS, "{}", rms(20.0));
    }

    const RMS: f64 = std::f64::consts::FRAC_1_SQRT_2;

    /// Four seconds of swinging along one axis.
    fn swing(hz: f64, mm: f64) -> Vec<[f64; 3]> {
        (0..240).map(|n| [mm * (f64::from(n) / 60.0 * hz * std::f64::consts::TAU).sin(), 0.0, 0.0]).collect()
    }

    /// Shaking in the band counts as tremor, by its size; slower and faster swinging does not, nor does a hand's way, however it turns.
    #[test]
    fn tremor_is_what_lies_in_its_band() {
        let typical = |way: &[[f64; 3]]| quantile(&mut shaking(way, 60.0), 0.5);
        for hz in [7.5, 9.0, 10.5] {
            let mm = typical(&swing(hz, 0.4)).unwrap();
            assert!((mm / (0.4 * RMS) - 1.0).abs() < 0.08, "{hz} Hz: {mm}");
        }
        for hz in [1.0, 2.0, 20.0] {
            let mm = typical(&swing(hz, 0.4)).unwrap();
            assert!(mm < 0.03 * RMS, "{hz} Hz: {mm}");
        }
        // To and fro at 8 mm/s, turning at once every 0.8 s, with and without tremor; what is smoothed off holds the turns.
        let zigzag = |n: i32| (f64::from(n % 96) - 48.0).abs() * 8.0 / 60.0;
        let still: Vec<[f64; 3]> = (0..960).map(|n| [0.0, zigzag(n), 0.0]).collect();
        assert!(typical(&still).unwrap() < 0.03, "{:?}", typical(&still));
        let shaken: Vec<[f64; 3]> = (0..960).map(|n| [swing(9.0, 0.1)[n as usize % 240][0], zigzag(n), 0.0]).collect();
        assert!((typical(&shaken).unwrap() / (0.1 * RMS) - 1.0).abs() < 0.15, "{:?}", typical(&shaken));
        // A hand that is never slow shows none, one without a half second either.
        let fast: Vec<[f64; 3]> = (0..240).map(|n| [0.5 * f64::from(n), 0.0, 0.0]).collect();
        assert!(shaking(&fast, 60.0).is_empty() && shaking(&swing(9.0, 0.1)[..29], 60.0).is_empty());
        assert!(shaking(&swing(9.0, 0.1), 20.0).is_empty(), "the band is beyond half the rate");
    }

    #[test]
    fn quantiles_are_values_of_the_list() {
        assert_eq!(quantile(&mut [], 0.5), None);
        assert_eq!(quantile(&mut [3.0, 1.0, 2.0], 0.5), Some(2.0));
        assert_eq!(quantile(&mut [3.0, 1.0, 2.0, 4.0], 0.95), Some(4.0));
        assert_eq!(quantile(&mut [3.0], 0.0), Some(3.0));
    }
}
