//! What several commands print: times of a recording, hashes, JSON.

use anyhow::{Context, bail};

/// Seconds of a moment written `HH:MM:SS`, `MM:SS` or `SS`, each with an optional fraction of a second.
pub(crate) fn seconds(moment: &str) -> anyhow::Result<f64> {
    let parts: Vec<&str> = moment.split(':').collect();
    if parts.is_empty() || parts.len() > 3 {
        bail!("'{moment}' is no moment: write HH:MM:SS");
    }
    let mut total = 0.0;
    for (k, part) in parts.iter().enumerate() {
        let last = k + 1 == parts.len();
        let value: f64 = part
            .parse()
            .ok()
            .filter(|v: &f64| *v >= 0.0 && v.is_finite() && (last || v.fract() == 0.0))
            .with_context(|| format!("'{moment}' is no moment: write HH:MM:SS, as 00:04:12"))?;
        total = total * 60.0 + value;
    }
    Ok(total)
}

/// A moment as `HH:MM:SS`.
pub(crate) fn moment(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    format!("{:02}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60)
}

/// Prints one JSON object and nothing else.
pub(crate) fn json(value: &serde_json::Value) {
    println!("{value:#}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_come_back_and_nonsense_is_refused() {
        assert_eq!(seconds("01:04:12").unwrap(), 3852.0);
        assert_eq!(seconds("4:12.5").unwrap(), 252.5);
        assert_eq!(moment(3852.9), "01:04:12");
        for wrong in ["", "1:2:3:4", "-1", "a", "1.5:00", "inf"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
