//! What tissue looks like.

use spinor_volume::{Label, TissueClass};

/// Bone with at least this density is cortical: cortex has 700-1,800 HU (K).
const CORTICAL_HU: f32 = 650.0;
/// Bone below this density is marrow and thin trabeculae.
const MARROW_HU: f32 = 120.0;

/// A colour in linear light.
pub(crate) type Linear = [f32; 3];

const IVORY: Linear = [0.78, 0.69, 0.52];
const PORES: Linear = [0.60, 0.46, 0.31];
const CORTEX_CUT: Linear = [0.84, 0.77, 0.63];
const TRABECULAE: Linear = [0.58, 0.22, 0.15];
const MARROW: Linear = [0.33, 0.055, 0.035];
const FLAVUM: Linear = [0.72, 0.50, 0.12];
const FLAVUM_CUT: Linear = [0.80, 0.62, 0.25];
const DISC: Linear = [0.42, 0.50, 0.56];
const DISC_CUT: Linear = [0.58, 0.64, 0.66];
const DURA: Linear = [0.60, 0.49, 0.50];
const ROOT: Linear = [0.70, 0.42, 0.30];
const TORN: Linear = [0.42, 0.03, 0.03];

fn mix(a: Linear, b: Linear, share: f32) -> Linear {
    let share = share.clamp(0.0, 1.0);
    [0, 1, 2].map(|k| a[k] + (b[k] - a[k]) * share)
}

/// A number in 0-1 that changes from place to place and stays where it is: grain without a texture.
pub(crate) fn grain(at: [i32; 3]) -> f32 {
    let mut hash = 0x9e37_79b9_u32;
    for v in at {
        hash = (hash ^ v as u32).wrapping_mul(0x85eb_ca6b);
        hash ^= hash >> 13;
    }
    (hash.wrapping_mul(0xc2b2_ae35) >> 8) as f32 / 16_777_216.0
}

/// The colour of a surface point: its structure, whether a tool made the surface, bone's density there, and the grain.
pub(crate) fn colour(label: Label, class: TissueClass, cut: bool, hu: f32, grain: f32) -> Linear {
    match (class, cut) {
        (TissueClass::Bone, false) => mix(IVORY, PORES, (0.55 - hu / 1_400.0).clamp(0.0, 0.4) + 0.12 * grain),
        (TissueClass::Bone, true) => {
            let cortical = (hu - MARROW_HU) / (CORTICAL_HU - MARROW_HU);
            let cancellous = mix(MARROW, TRABECULAE, 0.25 + 0.75 * grain);
            mix(cancellous, CORTEX_CUT, cortical.clamp(0.0, 1.0))
        }
        (TissueClass::Flavum, false) => mix(FLAVUM, PORES, 0.12 * grain),
        (TissueClass::Flavum, true) => FLAVUM_CUT,
        (TissueClass::Disc, false) => mix(DISC, DISC_CUT, 0.2 * grain),
        (TissueClass::Disc, true) => DISC_CUT,
        (TissueClass::Neural, true) => TORN,
        (TissueClass::Neural, false) if label == Label::DURAL_SAC || label == Label::SPINAL_CORD => mix(DURA, TORN, 0.03 * grain),
        (TissueClass::Neural, false) => ROOT,
    }
}

/// A colour of a proposed structure: lighter, and striped where it lies, so that nobody takes it for something seen in an image.
pub(crate) fn proposed(colour: Linear, at_mm: [f64; 3]) -> Linear {
    const PERIOD_MM: f64 = 3.2;
    const PALE: Linear = [0.86, 0.86, 0.90];
    let along = (at_mm[0] + at_mm[1] + at_mm[2]) / 3.0_f64.sqrt();
    let stripe = (along / PERIOD_MM).rem_euclid(1.0) < 0.5;
    mix(colour, PALE, if stripe { 0.75 } else { 0.12 })
}

/// How a class reflects: perceptual roughness and reflectance.
pub(crate) const fn gloss(class: TissueClass) -> (f32, f32) {
    match class {
        TissueClass::Bone => (0.62, 0.35),
        TissueClass::Flavum => (0.55, 0.4),
        TissueClass::Disc => (0.42, 0.45),
        TissueClass::Neural => (0.28, 0.5),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A surgeon reads depth from colour: cut cancellous bone is red, cut cortex pale, and no two tissues look alike,
    /// nerve roots least of all like the bone they leave through.
    #[test]
    fn tissues_are_told_apart() {
        let bone = |cut, hu| colour(Label::lumbar(4), TissueClass::Bone, cut, hu, 0.5);
        let (cancellous, cortex) = (bone(true, 150.0), bone(true, 1_200.0));
        assert!(cancellous[0] > 2.5 * cancellous[1], "{cancellous:?}");
        assert!(cortex[1] > 0.85 * cortex[0], "{cortex:?}");
        let all = [Label::lumbar(4), Label::flavum_below(4), Label::disc_below(4), Label::DURAL_SAC, Label::root(4, true)];
        let all = all.map(|label| colour(label, label.class().unwrap(), false, 400.0, 0.5));
        for (k, a) in all.iter().enumerate() {
            for b in &all[k + 1..] {
                assert!((0..3).map(|c| (a[c] - b[c]).abs()).sum::<f32>() > 0.2, "{a:?} {b:?}");
            }
        }
    }

    /// What was proposed is striped: light and nearly its own colour in turn, along every axis.
    #[test]
    fn proposed_tissue_is_striped() {
        let own = colour(Label::flavum_below(4), TissueClass::Flavum, false, 0.0, 0.5);
        for axis in 0..3 {
            let at = |mm: f64| proposed(own, [0, 1, 2].map(|k| if k == axis { mm } else { 0.0 }));
            let blue: Vec<f32> = (0..40).map(|n| at(f64::from(n) * 0.4)[2]).collect();
            let (low, high) = (blue.iter().copied().fold(1.0, f32::min), blue.iter().copied().fold(0.0, f32::max));
            assert!(high > low + 0.3, "axis {axis}: {low} {high}");
            let changes = blue.windows(2).filter(|pair| (pair[1] - pair[0]).abs() > 0.1).count();
            assert!((4..10).contains(&changes), "axis {axis}: {changes}");
        }
    }

    #[test]
    fn grain_is_spread_over_its_range() {
        let values: Vec<f32> = (0..1000).map(|n| grain([n % 10, n / 10 % 10, n / 100])).collect();
        let mean = values.iter().sum::<f32>() / 1000.0;
        assert!(values.iter().all(|v| (0.0..1.0).contains(v)) && (mean - 0.5).abs() < 0.05);
    }
}
