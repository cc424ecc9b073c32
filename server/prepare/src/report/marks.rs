//! Letters at the edges of a picture that say which side of the patient lies there.

use image::{Rgb, RgbImage};
use spinor_shared::sides::{LETTER_HEIGHT, LETTER_WIDTH, dots, sides};

/// Pixels of a letter's dot.
const SCALE: u32 = 3;
/// From a letter to the next, dots.
const STEP: u32 = LETTER_WIDTH as u32 + 1;
/// How far a letter's middle lies from its edge, pixels.
const FAR: u32 = 16;
/// Colour of letters: none that an outline has.
const INK: Rgb<u8> = Rgb([250, 250, 250]);
const RIM: Rgb<u8> = Rgb([8, 10, 14]);

/// Draws the letters of all four edges. `right` and `down` are the picture's axes in patient LPS.
pub(super) fn draw(picture: &mut RgbImage, right: [f64; 3], down: [f64; 3]) {
    let (width, height) = picture.dimensions();
    for (towards, centre) in [
        (right.map(|v| -v), [FAR, height / 2]),
        (right, [width.saturating_sub(FAR), height / 2]),
        (down.map(|v| -v), [width / 2, FAR]),
        (down, [width / 2, height.saturating_sub(FAR)]),
    ] {
        word(picture, &sides(towards), centre);
    }
}

/// Corner of the first letter of a word of so many about a place, kept inside the picture.
fn start(picture: &RgbImage, count: u32, centre: [u32; 2]) -> [u32; 2] {
    let wide = (STEP * count).saturating_sub(1) * SCALE;
    let inside = |middle: u32, long: u32, of: u32| middle.saturating_sub(long / 2).clamp(2, of.saturating_sub(long + 2).max(2));
    [inside(centre[0], wide, picture.width()), inside(centre[1], LETTER_HEIGHT as u32 * SCALE, picture.height())]
}

fn word(picture: &mut RgbImage, letters: &[char], centre: [u32; 2]) {
    let [left, top] = start(picture, letters.len() as u32, centre);
    // The dark rim of all letters first, so that they read on any image.
    for (rim, colour) in [(2, RIM), (0, INK)] {
        for (n, letter) in letters.iter().enumerate() {
            for (column, row) in dots(*letter) {
                let (x, y) = (left + (STEP * n as u32 + column as u32) * SCALE, top + row as u32 * SCALE);
                for at_y in y.saturating_sub(rim)..y + SCALE + rim {
                    for at_x in x.saturating_sub(rim)..x + SCALE + rim {
                        if let Some(pixel) = picture.get_pixel_mut_checked(at_x, at_y) {
                            *pixel = colour;
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use spinor_shared::sides::LETTERS;

    /// A word of so many letters read back dot by dot.
    fn read(picture: &RgbImage, count: u32, centre: [u32; 2]) -> Option<String> {
        let [left, top] = start(picture, count, centre);
        (0..count)
            .map(|n| {
                let on = |column: u32, row: u32| {
                    let at = [left + (STEP * n + column) * SCALE + 1, top + row * SCALE + 1];
                    picture.get_pixel_checked(at[0], at[1]) == Some(&INK)
                };
                let rows: [u8; 7] = std::array::from_fn(|row| (0..5).fold(0, |bits, k| bits << 1 | u8::from(on(k, row as u32))));
                LETTERS.iter().find(|(_, own)| *own == rows).map(|(c, _)| *c)
            })
            .collect()
    }

    /// The words at the left, right, upper and lower edge.
    pub(in crate::report) fn words(picture: &RgbImage) -> [Option<String>; 4] {
        let (w, h) = picture.dimensions();
        [[FAR, h / 2], [w - FAR, h / 2], [w / 2, FAR], [w / 2, h - FAR]]
            .map(|centre| read(picture, 2, centre).or_else(|| read(picture, 1, centre)))
    }

    /// What is drawn is read back, one letter along an axis and two between axes.
    #[test]
    fn letters_are_drawn_where_they_are_said_to_be() {
        let mut picture = RgbImage::new(90, 80);
        draw(&mut picture, [1.0, 0.0, 0.0], [0.0, 0.2, -0.97]);
        assert_eq!(words(&picture), ["R", "L", "S", "I"].map(|c| Some(c.to_owned())));
        let mut picture = RgbImage::new(200, 200);
        draw(&mut picture, [-0.75, 0.66, 0.0], [-0.2, -0.2, -0.95]);
        assert_eq!(words(&picture), ["LA", "RP", "S", "I"].map(|c| Some(c.to_owned())));
        // A picture smaller than a letter is no reason to fail.
        draw(&mut RgbImage::new(3, 3), [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]);
    }
}
