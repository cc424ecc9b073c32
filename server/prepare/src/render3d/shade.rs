//! The colour that a ray brings back.

use spinor_volume::{Label, Source, TissueClass};

use super::Style;
use super::camera::{Ray, unit};
use super::scene::Scene;
use crate::palette;
use crate::vector::dot;

/// Period of the stripes on what is proposed, mm.
const STRIPES_MM: f64 = 3.0;

fn linear(c: u8) -> f32 {
    let v = f32::from(c) / 255.0;
    v * v * (0.7 + 0.3 * v)
}

/// A linear colour value as sRGB byte, with a shoulder for what is too bright.
pub(super) fn to_srgb(v: f32) -> u8 {
    let v = v.max(0.0);
    let v = if v > 0.7 { 0.7 + 0.3 * (1.0 - 1.0 / (1.0 + (v - 0.7) / 0.3)) } else { v };
    // The inverse of `linear` by bisection is not worth it: the square root of a slightly lifted curve is within 2 %.
    let s = (v / (0.7 + 0.3 * v.sqrt())).sqrt();
    (s * 255.0).round().clamp(0.0, 255.0) as u8
}

/// Linear colour of what `ray` meets, with its structure and distance (for finding edges); `down` is 0 at the picture's top.
pub(super) fn colour(scene: &Scene<'_>, ray: &Ray, down: f64, style: &Style<'_>) -> ([f32; 3], (u32, f32)) {
    let Some((at, way)) = scene.hit(ray, 0.0) else {
        let [top, bottom] = style.background;
        let mut c = [0.0; 3];
        for k in 0..3 {
            c[k] = linear(top[k]) * (1.0 - down as f32) + linear(bottom[k]) * down as f32;
        }
        return (c, (u32::MAX, 0.0));
    };
    let label = scene.structure(at);
    let mut normal = scene.normal(at);
    if let Some((point, n)) = style.clip {
        let p = scene.patient_from_index(at);
        let over: f64 = (0..3).map(|k| (p[k] - point[k]) * n[k]).sum();
        if over.abs() < 0.3 {
            normal = unit(n);
        }
    }
    let view = ray.direction.map(|v| -v);
    if dot(normal, view) < 0.0 {
        normal = unit([0, 1, 2].map(|k| normal[k] - 2.0 * dot(normal, view).min(0.0) * view[k]));
    }
    let base = palette::colour(label).map(linear).map(|v| if is_stripe(scene, label, at) { 0.5 * v } else { v });
    // The key lamp stands over the viewer's left shoulder, the fill lamp low on the right.
    let right = unit([ray.direction[1], -ray.direction[0], 0.0001]);
    let key = unit([0, 1, 2].map(|k| view[k] * 0.9 - right[k] * 0.75 + [0.0, 0.0, 0.85][k]));
    let fill = unit([0, 1, 2].map(|k| view[k] * 0.8 + right[k] * 0.9 - [0.0, 0.0, 0.2][k]));
    let lifted = [0, 1, 2].map(|k| at[k] + normal[k] * 1.2);
    let facing = dot(normal, key).max(0.0);
    let lit = if facing > 0.0 { scene.light(lifted, key) } else { 0.0 };
    let open = scene.openness(at, normal);
    let sky = 0.5 + 0.5 * normal[2];
    let ambient = (0.10 + 0.16 * sky) * open * (0.35 + 0.65 * open);
    let diffuse = 1.02 * facing * (0.12 + 0.88 * lit) * (0.55 + 0.45 * open);
    let second = 0.24 * dot(normal, fill).max(0.0) * open;
    let half = unit([0, 1, 2].map(|k| key[k] + view[k]));
    let shiny = match label.class() {
        Some(TissueClass::Bone) => (0.05, 16),
        Some(TissueClass::Disc) => (0.10, 24),
        _ => (0.16, 36),
    };
    let gloss = shiny.0 * dot(normal, half).max(0.0).powi(shiny.1) * (0.2 + 0.8 * lit);
    let rim = 0.05 * (1.0 - dot(normal, view).max(0.0)).powi(3) * open;
    let warm = [1.04, 1.0, 0.94];
    let cool = [0.88, 0.96, 1.10];
    let mut c = [0.0; 3];
    for k in 0..3 {
        let light = diffuse * warm[k] + (ambient + second) * cool[k];
        c[k] = base[k] * light as f32 + (gloss * warm[k] + rim) as f32;
    }
    (c, (u32::from(number(label)), way as f32))
}

/// Whether a place lies in a stripe: proposed structures are striped, for nobody saw them.
fn is_stripe(scene: &Scene<'_>, label: Label, at: [f64; 3]) -> bool {
    let proposed = scene.patient.structure(label).is_some_and(|s| s.source == Source::Proposed);
    let [x, y, z] = scene.patient_from_index(at);
    proposed && ((x + y + z) / STRIPES_MM).rem_euclid(1.0) < 0.35
}

fn number(label: Label) -> u16 {
    label.0
}
