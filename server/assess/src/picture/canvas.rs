//! A picture in memory, and its PNG.

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, ImageError};
use spinor_shared::sides::{LETTER_HEIGHT, LETTER_WIDTH, dots, sides};

/// Pixels of a letter's dot.
const LETTER_SCALE: usize = 3;
/// Colour of letters.
const INK: [f32; 3] = [24.0, 38.0, 58.0];

/// The upper left corner of a letter about a place.
fn corner(centre: [usize; 2]) -> [usize; 2] {
    [centre[0].saturating_sub(LETTER_WIDTH * LETTER_SCALE / 2), centre[1].saturating_sub(LETTER_HEIGHT * LETTER_SCALE / 2)]
}

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

    /// Letters at the middles of the four edges that say which side of the patient lies there: what is on the patient's left has `L` beside
    /// it. `right` and `down` are the picture's axes in patient LPS.
    pub(super) fn sides(&mut self, right: [f64; 3], down: [f64; 3]) {
        let [across, along] = [self.width / 2, self.height / 2];
        let far = LETTER_SCALE * LETTER_HEIGHT;
        let places = [
            (right.map(|v| -v), [far, along]),
            (right, [self.width.saturating_sub(far), along]),
            (down.map(|v| -v), [across, far]),
            (down, [across, self.height.saturating_sub(far)]),
        ];
        for (towards, centre) in places {
            if let Some(letter) = sides(towards).first() {
                self.letter(*letter, centre);
            }
        }
    }

    fn letter(&mut self, letter: char, centre: [usize; 2]) {
        let [left, top] = corner(centre);
        // A pale rim first, so that the letter reads on any tissue.
        for (rim, colour) in [(2, [255.0; 3]), (0, INK)] {
            for (column, row) in dots(letter) {
                let (x, y) = (left + column * LETTER_SCALE, top + row * LETTER_SCALE);
                for at_y in y.saturating_sub(rim)..y + LETTER_SCALE + rim {
                    for at_x in x.saturating_sub(rim)..x + LETTER_SCALE + rim {
                        self.blend(at_x, at_y, colour, 1.0);
                    }
                }
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
pub(super) mod tests {
    use super::*;
    use spinor_shared::sides::LETTERS;

    /// The letter at a place, read back dot by dot.
    pub(in crate::picture) fn letter_at(canvas: &Canvas, centre: [usize; 2]) -> Option<char> {
        let [left, top] = corner(centre);
        let dark = |column: usize, row: usize| {
            let (x, y) = (left + column * LETTER_SCALE + 1, top + row * LETTER_SCALE + 1);
            canvas.pixels[y * canvas.width + x] == INK
        };
        let rows: [u8; 7] = std::array::from_fn(|row| (0..5).fold(0, |bits, column| bits << 1 | u8::from(dark(column, row))));
        LETTERS.iter().find(|(_, own)| *own == rows).map(|(c, _)| *c)
    }

    /// The letters at the left, right, upper and lower edge.
    pub(in crate::picture) fn letters(canvas: &Canvas) -> [Option<char>; 4] {
        let (w, h, far) = (canvas.width, canvas.height, LETTER_SCALE * 7);
        [[far, h / 2], [w - far, h / 2], [w / 2, far], [w / 2, h - far]].map(|centre| letter_at(canvas, centre))
    }

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
