//! Tools that are round about their shaft: burrs, probe, tubes.

use super::builder::{Builder, ball, still};
use super::{Finish, Motion, Part};

pub(super) fn burr(radius: f32, fluted: bool) -> Vec<Part> {
    let neck = radius.min(0.0012) * 0.7;
    let flutes = move |angle: f32, k: usize| match fluted {
        // Eight blades that wind around the head.
        true => -0.11 * (0.5 + 0.5 * (8.0 * (angle + 0.16 * k as f32)).cos()),
        false => 0.02 * ((angle * 37.0 + k as f32 * 5.3).sin() * (angle * 23.0 - k as f32 * 3.1).cos()),
    };
    let shank = [[radius * 0.9, neck], [0.012, neck], [0.014, 0.0012], [0.052, 0.0012]];
    let sleeve = [[0.030, 0.0], [0.030, 0.0021], [0.058, 0.0023], [0.066, 0.0046], [0.072, 0.0052]];
    let body = [
        [0.072, 0.0052],
        [0.075, 0.0068],
        [0.082, 0.0080],
        [0.105, 0.0074],
        [0.125, 0.0084],
        [0.168, 0.0088],
        [0.176, 0.0070],
        [0.178, 0.0],
    ];
    let hose = [[0.176, 0.0036], [0.24, 0.0034], [0.24, 0.0]];
    let knurl = |angle: f32, k: usize| if (2..4).contains(&k) { 0.02 * (14.0 * angle).cos() } else { 0.0 };
    vec![
        Builder::default().lathe(&ball(radius, neck), flutes).part(Finish::Head, Motion::Spins),
        Builder::default().lathe(&shank, still).part(Finish::Steel, Motion::Spins),
        Builder::default().lathe(&sleeve, still).part(Finish::Steel, Motion::Still),
        Builder::default().lathe(&body, knurl).part(Finish::Grip, Motion::Still),
        Builder::default().lathe(&hose, still).part(Finish::Grip, Motion::Still),
    ]
}

pub(super) fn probe(radius: f32) -> Vec<Part> {
    let thin = radius.min(0.0007);
    let shaft = [[radius * 0.8, thin], [0.05, 0.0009], [0.075, 0.0012], [0.082, 0.0032]];
    vec![
        Builder::default().lathe(&ball(radius, thin), still).part(Finish::Steel, Motion::Still),
        Builder::default().lathe(&shaft, still).part(Finish::Steel, Motion::Still),
        handle(0.082, 0.0032),
    ]
}

/// A slender handle with rings, from a height of the shaft on where it has a radius.
pub(super) fn handle(from: f32, neck: f32) -> Part {
    let profile = [[from, neck], [from + 0.004, 0.0042], [from + 0.068, 0.0040], [from + 0.090, 0.0030], [from + 0.092, 0.0]];
    let rings = |angle: f32, k: usize| if k == 1 { 0.015 * (10.0 * angle).cos() } else { 0.0 };
    Builder::default().lathe(&profile, rings).part(Finish::Grip, Motion::Still)
}

/// Suction, or irrigation with its bulb of water.
pub(super) fn tube(radius: f32, irrigation: bool) -> Vec<Part> {
    let tube = [[0.0, radius * 0.55], [0.0, radius], [0.095, radius * 1.05], [0.10, 0.0034], [0.112, 0.0042]];
    let grip = [[0.112, 0.0042], [0.118, 0.0058], [0.150, 0.0054], [0.158, 0.0042], [0.158, 0.0]];
    let hose = [[0.156, 0.0048], [0.25, 0.0048], [0.25, 0.0]];
    let bulb = [[0.112, 0.0042], [0.120, 0.010], [0.135, 0.017], [0.155, 0.019], [0.172, 0.016], [0.184, 0.008], [0.187, 0.0]];
    let end = Builder::default().lathe(&tube, still).part(Finish::Steel, Motion::Still);
    if irrigation {
        return vec![end, Builder::default().lathe(&bulb, still).part(Finish::Plastic, Motion::Still)];
    }
    vec![
        end,
        Builder::default().lathe(&grip, still).part(Finish::Grip, Motion::Still),
        Builder::default().lathe(&hose, still).part(Finish::Plastic, Motion::Still),
    ]
}
