//! Pictures of a patient without a graphics adapter: sphere tracing through the sparse fields on the CPU.
//!
//! For the quality report and for looking at a case from the command line. Not for frame rates: a picture of 640 × 640 takes
//! some tenths of a second to two seconds on two cores.

mod camera;
mod scene;
mod shade;

pub use camera::{Camera, Direction};

use image::{Rgb, RgbImage};
use rayon::prelude::*;
use spinor_volume::{Label, Patient};

use camera::Ray;
use scene::Scene;

/// What to draw, and on what.
pub struct Style<'a> {
    /// Width and height of the picture in pixels; at most 4,096 each.
    pub size: [u32; 2],
    /// Structures that are left out.
    pub hide: &'a (dyn Fn(Label) -> bool + Sync),
    /// Colour behind the patient (sRGB), at the top and at the bottom.
    pub background: [[u8; 3]; 2],
    /// Cut away what lies on the positive side of this plane (point and normal, patient LPS mm).
    pub clip: Option<([f64; 3], [f64; 3])>,
}

impl Default for Style<'_> {
    fn default() -> Self {
        Self { size: [640, 640], hide: &|_| false, background: [[38, 44, 54], [20, 23, 28]], clip: None }
    }
}

/// Draws the patient as seen by `camera`: lit by two lamps, with shadows and darkened hollows, edges smoothed.
pub fn render(patient: &Patient, camera: &Camera, style: &Style<'_>) -> RgbImage {
    let [width, height] = style.size.map(|n| n.clamp(1, 4096));
    let scene = Scene::new(patient, style);
    let (w, h) = (width as usize, height as usize);
    let ray = |x: f64, y: f64| -> Ray { camera.ray(x, y, [f64::from(width), f64::from(height)]) };
    let mut colours = vec![[0.0f32; 3]; w * h];
    let mut keys = vec![(u32::MAX, 0.0f32); w * h];
    colours.par_chunks_mut(w).zip(keys.par_chunks_mut(w)).enumerate().for_each(|(y, (row, keys))| {
        for (x, (pixel, key)) in row.iter_mut().zip(keys).enumerate() {
            (*pixel, *key) =
                shade::colour(&scene, &ray(x as f64 + 0.5, y as f64 + 0.5), (y as f64 + 0.5) / f64::from(height), style);
        }
    });
    // Where neighbours differ in structure or depth, three more rays smooth the edge.
    let edge = |x: usize, y: usize| {
        let (label, depth) = keys[x + w * y];
        let mut near = [(x.wrapping_sub(1), y), (x + 1, y), (x, y.wrapping_sub(1)), (x, y + 1)].into_iter();
        near.any(|(a, b)| a < w && b < h && (keys[a + w * b].0 != label || (keys[a + w * b].1 - depth).abs() > 1.0))
    };
    let mut out = RgbImage::new(width, height);
    let rows: Vec<Vec<[u8; 3]>> = (0..h)
        .into_par_iter()
        .map(|y| {
            (0..w)
                .map(|x| {
                    let mut c = colours[x + w * y];
                    if edge(x, y) {
                        for (dx, dy) in [(0.2, 0.35), (0.8, 0.2), (0.55, 0.85)] {
                            let more = shade::colour(
                                &scene,
                                &ray(x as f64 + dx, y as f64 + dy),
                                (y as f64 + dy) / f64::from(height),
                                style,
                            )
                            .0;
                            for k in 0..3 {
                                c[k] += more[k];
                            }
                        }
                        c = c.map(|v| v / 4.0);
                    }
                    c.map(shade::to_srgb)
                })
                .collect()
        })
        .collect();
    for (x, y, pixel) in out.enumerate_pixels_mut() {
        *pixel = Rgb(rows[y as usize][x as usize]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use spinor_volume::{BrickIndex, DensityField, Grid, Source, SparseField, Structure, TissueClass};

    /// A patient that is one ball of 10 mm.
    fn ball() -> Patient {
        let grid = Grid::new([-16.0; 3], 0.5, [4, 4, 4]).unwrap();
        let mut sdf = SparseField::outside(&grid);
        for n in 0..grid.brick_count() as u32 {
            let first = grid.brick_coords(BrickIndex(n)).map(|c| f64::from(c) * 16.0);
            let samples = sdf.brick_mut(BrickIndex(n)).unwrap();
            for (at, s) in samples.iter_mut().enumerate() {
                let local = [at % 16, at / 16 % 16, at / 256];
                let p = grid.patient_from_index([0, 1, 2].map(|k| first[k] + local[k] as f64));
                let d = (p[0] * p[0] + p[1] * p[1] + p[2] * p[2]).sqrt() - 10.0;
                *s = (d / 0.5 * 32.0).round().clamp(-127.0, 127.0) as i8;
            }
        }
        let label = Label::lumbar(3);
        let bone =
            Structure { label, class: TissueClass::Bone, source: Source::Phantom, uncertainty_mm: 0.0, volume_mm3: 1.0, sdf };
        Patient::new(grid, vec![bone], DensityField::default()).unwrap()
    }

    /// A ball is drawn as a disc of its size, brightest where the key lamp stands (above, to the viewer's left); hidden, it is gone.
    #[test]
    fn a_ball_is_a_disc_of_its_size() {
        let patient = ball();
        let camera = Camera::parallel([0.0; 3], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0], 40.0);
        let empty = render(&patient, &camera, &Style { size: [120, 120], hide: &|_| true, ..Style::default() });
        let drawn = render(&patient, &camera, &Style { size: [120, 120], ..Style::default() });
        let covered = drawn.enumerate_pixels().filter(|(x, y, p)| *p != empty.get_pixel(*x, *y)).count() as f64;
        let area = covered * (40.0f64 / 120.0).powi(2);
        let expected = std::f64::consts::PI * 100.0;
        assert!((area - expected).abs() < 0.04 * expected, "{area} mm² for {expected}");
        let bright = |x: u32, y: u32| drawn.get_pixel(x, y).0.iter().map(|v| u32::from(*v)).sum::<u32>();
        assert!(bright(48, 48) > bright(74, 76) + 60);
    }
}
