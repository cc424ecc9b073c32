//! A picture in memory, and its PNG.

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, ImageError};

/// Rows of RGB values in linear steps of sRGB, 0-255.
pub(super) struct Canvas {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) pixels: Vec<[f32; 3]>,
}

impl Canvas {
    pub(super) fn new(width: usize, height: usize, background: [u8; 3]) -> Self {
        Self { width, height, pixels: vec![background.map(f32::from); width * height] }
    }

    /// Lays a colour over a pixel; one outside the picture is no pixel.
    pub(super) fn blend(&mut self, x: usize, y: usize, colour: [f32; 3], alpha: f32) {
        if x >= self.width {
            return;
        }
        if let Some(pixel) = self.pixels.get_mut(y * self.width + x) {
            for k in 0..3 {
                pixel[k] += (colour[k] - pixel[k]) * alpha.clamp(0.0, 1.0);
            }
        }
    }

    /// Half the size, each pixel the mean of four: smooth edges.
    pub(super) fn halved(&self) -> Self {
        let mut out = Self::new(self.width / 2, self.height / 2, [0; 3]);
        for y in 0..out.height {
            for x in 0..out.width {
                let four = [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(i, j)| self.pixels[(2 * y + j) * self.width + 2 * x + i]);
                out.pixels[y * out.width + x] = std::array::from_fn(|k| four.iter().map(|p| p[k]).sum::<f32>() / 4.0);
            }
        }
        out
    }

    /// A white bar of 10 mm with a dark rim, at the lower left.
    pub(super) fn scale_bar(&mut self, pixels_per_mm: f64) {
        let (long, high) = ((10.0 * pixels_per_mm).round() as usize, 3);
        let (left, top) = (10, self.height.saturating_sub(14));
        for y in top - 1..=top + high {
            for x in left - 1..=left + long {
                let rim = y == top - 1 || y == top + high || x == left - 1 || x == left + long;
                self.blend(x, y, if rim { [40.0; 3] } else { [255.0; 3] }, 1.0);
            }
        }
    }

    pub(super) fn png(&self) -> Result<Vec<u8>, ImageError> {
        let bytes: Vec<u8> = self.pixels.iter().flatten().map(|v| v.round().clamp(0.0, 255.0) as u8).collect();
        let mut out = Vec::new();
        PngEncoder::new(&mut out).write_image(&bytes, self.width as u32, self.height as u32, ExtendedColorType::Rgb8)?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is encoded comes back pixel by pixel, and blending outside is harmless.
    #[test]
    fn a_picture_comes_back_from_its_png() {
        let mut canvas = Canvas::new(6, 4, [10, 20, 30]);
        canvas.blend(2, 1, [250.0, 0.0, 0.0], 1.0);
        canvas.blend(6, 0, [1.0; 3], 1.0);
        canvas.blend(0, 99, [1.0; 3], 1.0);
        let back = image::load_from_memory(&canvas.png().unwrap()).unwrap().to_rgb8();
        assert_eq!((back.width(), back.height()), (6, 4));
        assert_eq!((back.get_pixel(2, 1).0, back.get_pixel(0, 1).0), ([250, 0, 0], [10, 20, 30]));
        assert_eq!(canvas.halved().pixels.len(), 6);
    }
}
