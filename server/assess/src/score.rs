//! A safety score by a rule that anybody can follow.
//!
//! Each item judges one figure: full points at `good` or better, none at `bad` or worse, in proportion between. The score is the points of
//! the items that the recording has, by their weight, from 0 to 100, and no more than the gravest finding allows. Weights are teaching (K),
//! bounds are teaching or literature; nothing is trained. The score ranks sessions by how safely tools were moved near nerves and bone was
//! worked. It says nothing of the result.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::report::Gravity;

/// One item of the rule: a figure with its weight and bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// Key of the figure.
    pub figure: &'static str,
    /// Its weight.
    pub weight: f64,
    /// Full points from here.
    pub good: f64,
    /// No points from here.
    pub bad: f64,
}

const fn rule(figure: &'static str, weight: f64, good: f64, bad: f64) -> Rule {
    Rule { figure, weight, good, bad }
}

/// Most points of a session with a finding of danger (K): what could have done harm is no safe operation, however many items went well.
pub const SAFE_WITH_DANGER: f64 = 75.0;
/// The same with a finding of harm (K).
pub const SAFE_WITH_HARM: f64 = 50.0;

/// The rule. Harm first, then what leads to it.
///
/// Bounds with a source: drilling dry for 10 s at 45,000/min brings bone to the 47 °C that kill it, so nothing is left of that item's points
/// at 10 s; roots held with more than 3.5 N become inflamed more often (18 against 7 %), so nothing is left at 3.5 N. A tear, and a tip out
/// of the front of a disc, take all points at once.
pub const RULES: &[Rule] = &[
    rule("neural_contacts", 15.0, 0.0, 5.0),
    rule("active_contacts", 20.0, 0.0, 2.0),
    rule("greatest_depth_mm", 15.0, 0.0, 1.0),
    rule("pinches", 10.0, 0.0, 1.0),
    rule("plunge_mm", 10.0, 1.0, 5.0),
    rule("danger_speed_p95_mm_per_s", 10.0, 10.0, 60.0),
    rule("reaction_s", 10.0, 0.5, 2.5),
    rule("tremor_mm", 10.0, 0.1, 0.5),
    rule("dry_drilling_s", 10.0, 0.0, 10.0),
    rule("retraction_peak_newton", 10.0, 2.0, 3.5),
    rule("tears", 15.0, 0.0, 1.0),
    rule("disc_breaches", 10.0, 0.0, 1.0),
];

/// The score of a session.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Score {
    /// The score, 0-100: the points, and no more than the findings allow; none when the recording has none of the items.
    pub safety: Option<f64>,
    /// Points of the items by their weight, 0-100.
    pub points: Option<f64>,
    /// Most that the gravest finding allows; none when it is no danger and no harm.
    pub most: Option<f64>,
    /// Weight of the items that the recording has, of all.
    pub of_weight: f64,
    /// The items.
    pub items: Vec<Item>,
}

/// One item as judged.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Item {
    /// Key of the figure.
    pub figure: &'static str,
    /// Its weight.
    pub weight: f64,
    /// Full points from here.
    pub good: f64,
    /// No points from here.
    pub bad: f64,
    /// The figure's value.
    pub value: Option<f64>,
    /// Its points, 0 to the weight; none without a value.
    pub points: Option<f64>,
}

/// Judges figures by the rule, beside the gravest finding of the same session.
pub fn score(figures: &BTreeMap<&'static str, Option<f64>>, gravest: Gravity) -> Score {
    let judge = |r: &Rule| {
        let value = figures.get(r.figure).copied().flatten();
        let points = value.map(|v| r.weight * ((r.bad - v) / (r.bad - r.good)).clamp(0.0, 1.0));
        Item { figure: r.figure, weight: r.weight, good: r.good, bad: r.bad, value, points }
    };
    let items: Vec<Item> = RULES.iter().map(judge).collect();
    let weight: f64 = items.iter().filter(|i| i.points.is_some()).map(|i| i.weight).sum();
    let points: f64 = items.iter().filter_map(|i| i.points).sum();
    let all: f64 = RULES.iter().map(|r| r.weight).sum();
    let points = (weight > 0.0).then(|| 100.0 * points / weight);
    let most = match gravest {
        Gravity::Harm => Some(SAFE_WITH_HARM),
        Gravity::Danger => Some(SAFE_WITH_DANGER),
        Gravity::Good | Gravity::Notice | Gravity::Unjudged => None,
    };
    let safety = points.map(|points| most.map_or(points, |most| points.min(most)));
    Score { safety, points, most, of_weight: weight / all, items }
}

/// Probability that a value of `better` is above one of `worse`, a tie counting half: the area under the ROC curve; none of nothing.
pub fn auc(better: &[f64], worse: &[f64]) -> Option<f64> {
    let pairs = better.len() * worse.len();
    let above = |a: f64, b: f64| {
        if a > b {
            1.0
        } else if a == b {
            0.5
        } else {
            0.0
        }
    };
    let sum: f64 = better.iter().flat_map(|a| worse.iter().map(move |b| above(*a, *b))).sum();
    (pairs > 0).then(|| sum / pairs as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::by_key;

    fn figures(values: &[(&'static str, f64)]) -> BTreeMap<&'static str, Option<f64>> {
        values.iter().map(|(key, value)| (*key, Some(*value))).collect()
    }

    /// Every item judges a figure that exists, in the direction in which the figure is better.
    #[test]
    fn the_rule_judges_figures_that_exist() {
        for r in RULES {
            let figure = by_key(r.figure).unwrap();
            let lower = figure.definition.better == crate::definitions::Better::Lower;
            assert!(r.weight > 0.0 && r.good != r.bad && lower == (r.good < r.bad), "{}", r.figure);
        }
    }

    /// Points fall in proportion, worse is never more, and what is missing is left out instead of counting as good or bad.
    #[test]
    fn points_fall_from_good_to_bad() {
        let score = |figures: &BTreeMap<_, _>| score(figures, Gravity::Good);
        let flawless: Vec<_> = RULES.iter().map(|r| (r.figure, r.good)).collect();
        assert_eq!(score(&figures(&flawless)).safety, Some(100.0));
        let awful: Vec<_> = RULES.iter().map(|r| (r.figure, r.bad)).collect();
        assert_eq!(score(&figures(&awful)).safety, Some(0.0));
        let all: f64 = RULES.iter().map(|r| r.weight).sum();
        let half = score(&figures(&[("active_contacts", 1.0), ("tremor_mm", 0.3)]));
        assert!((half.safety.unwrap() - 50.0).abs() < 1e-9 && (half.of_weight * all - 30.0).abs() < 1e-9, "{half:?}");
        assert_eq!(score(&BTreeMap::new()).safety, None);
        for (k, r) in RULES.iter().enumerate() {
            let mut worse = flawless.clone();
            worse[k].1 = 0.5 * (r.good + r.bad);
            assert!(score(&figures(&worse)).safety < Some(100.0), "{}", r.figure);
        }
    }

    /// A score never speaks against what was found: it stays below what the gravest finding allows, and is not raised by it.
    #[test]
    fn findings_bound_the_score() {
        let flawless: BTreeMap<_, _> = RULES.iter().map(|r| (r.figure, Some(r.good))).collect();
        let poor: BTreeMap<_, _> = RULES.iter().map(|r| (r.figure, Some(r.bad))).collect();
        for (gravity, most) in [(Gravity::Unjudged, 100.0), (Gravity::Danger, SAFE_WITH_DANGER), (Gravity::Harm, SAFE_WITH_HARM)]
        {
            let best = score(&flawless, gravity);
            assert_eq!((best.safety, best.points), (Some(most), Some(100.0)));
            assert_eq!(score(&poor, gravity).safety, Some(0.0));
        }
    }

    #[test]
    fn the_area_under_the_curve_counts_pairs() {
        assert_eq!(auc(&[3.0, 4.0], &[1.0, 2.0]), Some(1.0));
        assert_eq!(auc(&[1.0, 2.0], &[3.0]), Some(0.0));
        assert_eq!(auc(&[1.0, 3.0], &[1.0, 2.0]), Some(0.625));
        assert_eq!(auc(&[], &[1.0]), None);
    }
}
