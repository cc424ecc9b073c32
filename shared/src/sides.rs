//! Letters at the edges of a picture that say which side of the patient lies there.

/// Width of a letter, dots.
pub const LETTER_WIDTH: usize = 5;
/// Height of a letter, dots.
pub const LETTER_HEIGHT: usize = 7;
/// Part of a direction along an axis from which its letter is told.
const TOLD: f64 = 0.5;

/// The letters of the six sides as dots: rows from the topmost on, in each the leftmost dot in bit 4.
pub const LETTERS: [(char, [u8; LETTER_HEIGHT]); 6] = [
    ('L', [0b10000, 0b10000, 0b10000, 0b10000, 0b10000, 0b10000, 0b11111]),
    ('R', [0b11110, 0b10001, 0b10001, 0b11110, 0b10100, 0b10010, 0b10001]),
    ('A', [0b01110, 0b10001, 0b10001, 0b11111, 0b10001, 0b10001, 0b10001]),
    ('P', [0b11110, 0b10001, 0b10001, 0b11110, 0b10000, 0b10000, 0b10000]),
    ('S', [0b01111, 0b10000, 0b10000, 0b01110, 0b00001, 0b00001, 0b11110]),
    ('I', [0b01110, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110]),
];

/// The dots of a side's letter, as column and row from its upper left corner; none of another letter.
pub fn dots(letter: char) -> impl Iterator<Item = (usize, usize)> {
    let rows = LETTERS.iter().find(|(c, _)| *c == letter).map_or([0; LETTER_HEIGHT], |(_, rows)| *rows);
    let is_set = move |column: usize, row: usize| rows[row] >> (LETTER_WIDTH - 1 - column) & 1 == 1;
    (0..LETTER_HEIGHT).flat_map(move |row| (0..LETTER_WIDTH).filter(move |c| is_set(*c, row)).map(move |column| (column, row)))
}

/// The sides of the patient that a direction (a unit vector in patient LPS) goes to, the foremost first: one letter along an axis, two
/// between axes, as on oblique radiographs.
///
/// ```
/// use spinor_shared::sides::sides;
/// assert_eq!(sides([1.0, 0.0, 0.0]), ['L']);
/// assert_eq!(sides([-0.75, 0.66, 0.0]), ['R', 'P']);
/// ```
pub fn sides(towards: [f64; 3]) -> Vec<char> {
    let letters = [['L', 'R'], ['P', 'A'], ['S', 'I']];
    let mut axes = [0, 1, 2];
    axes.sort_by(|a, b| towards[*b].abs().total_cmp(&towards[*a].abs()));
    axes.into_iter().filter(|k| towards[*k].abs() > TOLD).map(|k| letters[k][usize::from(towards[k] < 0.0)]).take(2).collect()
}
