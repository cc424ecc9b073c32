//! Letters at the edges of a picture that say which side of the patient lies there.

use image::{Rgb, RgbImage};

/// Pixels of a letter's dot.
const SCALE: u32 = 3;
/// How far a letter's middle lies from its edge, pixels.
const FAR: u32 = 16;
/// Colour of letters: none that an outline has.
const INK: Rgb<u8> = Rgb([250, 250, 250]);
const RIM: Rgb<u8> = Rgb([8, 10, 14]);
/// Part of a direction along an axis from which its letter is told.
const TOLD: f64 = 0.5;

/// Five dots wide and seven high, the topmost row first.
const LETTERS: [(char, [u8; 7]); 6] = [
    ('L', [0b10000, 0b10000, 0b10000, 0b10000, 0b10000, 0b10000, 0b11111]),
    ('R', [0b11110, 0b10001, 0b10001, 0b11110, 0b10100, 0b10010, 0b10001]),
    ('A', [0b01110, 0b10001, 0b10001, 0b11111, 0b10001, 0b10001, 0b10001]),
    ('P', [0b11110, 0b10001, 0b10001, 0b11110, 0b10000, 0b10000, 0b10000]),
    ('S', [0b01111, 0b10000, 0b10000, 0b01110, 0b00001, 0b00001, 0b11110]),
    ('I', [0b01110, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110]),
];

/// The sides of the patient that a direction (a unit vector in patient LPS) goes to, the foremost first: one letter along an axis, two
/// between axes, as on oblique radiographs.
fn sides(towards: [f64; 3]) -> Vec<char> {
    let letters = [['L', 'R'], ['P', 'A'], ['S', 'I']];
    let mut axes = [0, 1, 2];
    axes.sort_by(|a, b| towards[*b].abs().total_cmp(&towards[*a].abs()));
    axes.into_iter().filter(|k| towards[*k].abs() > TOLD).map(|k| letters[k][usize::from(towards[k] < 0.0)]).take(2).collect()
}

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
    let wide = (6 * count).saturating_sub(1) * SCALE;
    let inside = |middle: u32, long: u32, of: u32| middle.saturating_sub(long / 2).clamp(2, of.saturating_sub(long + 2).max(2));
    [inside(centre[0], wide, picture.width()), inside(centre[1], 7 * SCALE, picture.height())]
}

fn word(picture: &mut RgbImage, letters: &[char], centre: [u32; 2]) {
    let [left, top] = start(picture, letters.len() as u32, centre);
    // The dark rim of all letters first, so that they read on any image.
    for (rim, colour) in [(2, RIM), (0, INK)] {
        for (n, letter) in letters.iter().enumerate() {
            let Some((_, rows)) = LETTERS.iter().find(|(c, _)| c == letter) else { continue };
            for (row, bits) in rows.iter().enumerate() {
                for column in (0..5_u32).filter(|column| bits >> (4 - column) & 1 == 1) {
                    let x = left + (6 * n as u32 + column) * SCALE;
                    let y = top + row as u32 * SCALE;
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
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A word of so many letters read back dot by dot.
    fn read(picture: &RgbImage, count: u32, centre: [u32; 2]) -> Option<String> {
        let [left, top] = start(picture, count, centre);
        (0..count)
            .map(|n| {
                let on = |column: u32, row: u32| {
                    let at = [left + (6 * n + column) * SCALE + 1, top + row * SCALE + 1];
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
