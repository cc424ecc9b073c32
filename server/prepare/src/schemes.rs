//! Label schemes: the numbers and names that other tools give to structures of the spine, turned into ours.
//!
//! Ours is TotalSpineSeg's final map ([`Label`]), because it tells discs, levels, cord and canal apart. A number that says "a
//! vertebra" or "a disc" without its level has no place in it and maps to nothing; [`Scheme::relabel`] reports such numbers, so
//! that nothing disappears unseen.

use spinor_volume::Label;
use std::{collections::BTreeMap, fmt, str::FromStr};

/// Who wrote the numbers of a label map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// VerSe 2019/2020: 1-7 C1-C7, 8-19 T1-T12, 20-25 L1-L6, 26 sacrum (27 coccyx and 28 T13 have no place in our map).
    Verse,
    /// TotalSpineSeg's final map, which is ours. Our own numbers above 110 (flavum, roots) pass as well.
    TotalSpineSeg,
    /// TotalSegmentator v2, task `total`: 25 sacrum, 26 S1 (a part of our sacrum), 27-31 L5-L1, 32-43 T12-T1, 44-50 C7-C1, 79 cord.
    TotalSegmentator,
    /// TotalSegmentator v2, task `total_mr`: only 18 sacrum and 21 cord; 19 vertebrae and 20 discs carry no level.
    TotalSegmentatorMr,
    /// TotalSegmentator v2, task `vertebrae_mr`: 1 sacrum, 2-6 L5-L1, 7-18 T12-T1, 19-25 C7-C1.
    TotalSegmentatorVertebraeMr,
    /// SPINEPS' instance map in VERIDAH's numbers (vertebrae as in VerSe, 100 + X the disc below X, 200 + X the end plates of X,
    /// which count as bone of X), and of its semantic map what needs no level: 60 cord, 61 canal, 26 sacrum.
    Spineps,
}

/// `text` names no scheme.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown label scheme {text:?}; known are verse, totalspineseg, totalsegmentator, totalsegmentator-mr, \
         totalsegmentator-vertebrae-mr and spineps"
)]
pub struct UnknownScheme {
    /// What was given.
    pub text: String,
}

impl Scheme {
    /// All schemes.
    pub const ALL: [Self; 6] = [
        Self::Verse,
        Self::TotalSpineSeg,
        Self::TotalSegmentator,
        Self::TotalSegmentatorMr,
        Self::TotalSegmentatorVertebraeMr,
        Self::Spineps,
    ];

    /// The scheme's name as [`FromStr`] reads it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Verse => "verse",
            Self::TotalSpineSeg => "totalspineseg",
            Self::TotalSegmentator => "totalsegmentator",
            Self::TotalSegmentatorMr => "totalsegmentator-mr",
            Self::TotalSegmentatorVertebraeMr => "totalsegmentator-vertebrae-mr",
            Self::Spineps => "spineps",
        }
    }

    /// Our label of the scheme's `number`; none for the background and for what our map does not hold.
    ///
    /// SPINEPS numbers the disc below L5 alike whether L6 or the sacrum follows: a number alone is read as L5/S1,
    /// [`Self::relabel`] sees the whole map and decides.
    ///
    /// ```
    /// use spinor_prepare::schemes::Scheme;
    /// use spinor_volume::Label;
    /// assert_eq!(Scheme::Verse.map(24), Some(Label::lumbar(5)));
    /// assert_eq!(Scheme::TotalSegmentator.map(27), Some(Label::lumbar(5)));
    /// assert_eq!(Scheme::Verse.map(0), None);
    /// ```
    pub fn map(self, number: u16) -> Option<Label> {
        match self {
            Self::Verse => vertebra(number),
            Self::TotalSpineSeg => Some(Label(number)).filter(|label| label.class().is_some()),
            Self::TotalSegmentator => match number {
                25 | 26 => Some(Label::SACRUM),
                27..=50 => caudal_first(number - 27),
                79 => Some(Label::SPINAL_CORD),
                _ => None,
            },
            Self::TotalSegmentatorMr => match number {
                18 => Some(Label::SACRUM),
                21 => Some(Label::SPINAL_CORD),
                _ => None,
            },
            Self::TotalSegmentatorVertebraeMr => match number {
                1 => Some(Label::SACRUM),
                2..=25 => caudal_first(number - 2),
                _ => None,
            },
            Self::Spineps => match number {
                1..=28 => vertebra(number),
                60 => Some(Label::SPINAL_CORD),
                61 => Some(Label::DURAL_SAC),
                101..=128 => vertebra(number - 100).and_then(disc_below),
                201..=228 => vertebra(number - 200),
                _ => None,
            },
        }
    }

    /// Whether the scheme gives `number` to anything at all, of the spine or not: an organ, a rib, a part of a vertebra.
    ///
    /// A map that holds other numbers is not the scheme's.
    pub fn knows(self, number: u16) -> bool {
        match self {
            Self::Verse => (1..=28).contains(&number),
            Self::TotalSpineSeg => self.map(number).is_some(),
            Self::TotalSegmentator => (1..=117).contains(&number),
            Self::TotalSegmentatorMr => (1..=56).contains(&number),
            Self::TotalSegmentatorVertebraeMr => (1..=25).contains(&number),
            Self::Spineps => matches!(number, 1..=28 | 41..=51 | 60..=62 | 100..=128 | 200..=228),
        }
    }

    /// Turns a whole label map into our numbers, in place, and returns the numbers that have no place in them with their voxel
    /// counts (those voxels become background).
    pub fn relabel(self, voxels: &mut [u16]) -> BTreeMap<u16, u64> {
        let mut counts = vec![0_u64; usize::from(u16::MAX) + 1];
        for v in voxels.iter() {
            counts[usize::from(*v)] += 1;
        }
        let mut table = BTreeMap::new();
        let mut unmapped = BTreeMap::new();
        for (number, count) in (0..=u16::MAX).zip(counts).filter(|(number, count)| *number != 0 && *count > 0) {
            if let Some(label) = self.map(number) {
                table.insert(number, label.0);
            } else {
                unmapped.insert(number, count);
            }
        }
        // With a sixth lumbar vertebra (or its disc) present, the disc below L5 is L5/L6.
        if self == Self::Spineps && (table.contains_key(&25) || table.contains_key(&125)) {
            table.entry(124).and_modify(|label| *label = L5_L6.0);
        }
        for v in voxels.iter_mut() {
            *v = table.get(v).copied().unwrap_or(0);
        }
        unmapped
    }
}

impl FromStr for Scheme {
    type Err = UnknownScheme;

    /// Reads a name of [`Self::name`], in any case, with `_` for `-` as well.
    fn from_str(text: &str) -> Result<Self, UnknownScheme> {
        let wanted = text.trim().to_ascii_lowercase().replace('_', "-");
        Self::ALL.into_iter().find(|s| s.name() == wanted).ok_or_else(|| UnknownScheme { text: text.to_owned() })
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Our label of a structure's name, as TotalSegmentator, TotalSpineSeg and our own cases write names; none if it is not one of
/// ours. Case does not matter, and neither do the separators between the words.
///
/// ```
/// use spinor_prepare::schemes::label_from_name;
/// use spinor_volume::Label;
/// assert_eq!(label_from_name("vertebrae_L5"), Some(Label::lumbar(5)));
/// assert_eq!(label_from_name("disc_L4_L5"), Some(Label::disc_below(4)));
/// assert_eq!(label_from_name("Spinal Canal"), Some(Label::DURAL_SAC));
/// assert_eq!(label_from_name("liver"), None);
/// ```
pub fn label_from_name(name: &str) -> Option<Label> {
    let words: Vec<String> =
        name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_ascii_lowercase).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["spinal", "cord"] | ["spinalcord"] | ["cord"] => Some(Label::SPINAL_CORD),
        ["spinal", "canal"] | ["spinalcanal"] | ["canal"] | ["dural", "sac"] | ["thecal", "sac"] => Some(Label::DURAL_SAC),
        ["sacrum"] | ["vertebra" | "vertebrae" | "vert", "s1" | "sacrum"] => Some(Label::SACRUM),
        [level] | ["vertebra" | "vertebrae" | "vert", level] => vertebra_from_level(level),
        ["disc" | "disk", upper, lower] | ["intervertebral", "disc" | "disk", upper, lower] => disc_between(upper, lower),
        ["disc" | "disk", both] => disc_from_joined(both),
        _ => own(&words.join("_")),
    }
}

/// The disc between L5 and a sixth lumbar vertebra.
const L5_L6: Label = Label(96);

/// Vertebra of VerSe's number.
fn vertebra(number: u16) -> Option<Label> {
    match number {
        1..=7 => Some(Label(10 + number)),
        8..=19 => Some(Label(21 + number - 8)),
        20..=25 => Some(Label(41 + number - 20)),
        26 => Some(Label::SACRUM),
        _ => None,
    }
}

/// Vertebra at `place` counted upwards from L5 (0) over L1 (4), T12 (5) and T1 (16) to C7 (17) and C1 (23).
fn caudal_first(place: u16) -> Option<Label> {
    match place {
        0..=4 => Some(Label(45 - place)),
        5..=16 => Some(Label(32 - (place - 5))),
        17..=23 => Some(Label(17 - (place - 17))),
        _ => None,
    }
}

/// The disc under a vertebra; none under C1 and the sacrum. Below L5 it is L5/S1, below L6 the last one as well.
pub(crate) fn disc_below(vertebra: Label) -> Option<Label> {
    match vertebra.0 {
        n @ 12..=16 => Some(Label(n + 51)),
        17 => Some(Label(71)),
        n @ 21..=31 => Some(Label(n + 51)),
        32 => Some(Label(91)),
        n @ 41..=44 => Some(Label(n + 51)),
        45 | 46 => Some(Label(100)),
        _ => None,
    }
}

/// The vertebra of a level written `c1` ... `l6`.
pub(crate) fn vertebra_from_level(level: &str) -> Option<Label> {
    let (region, number) = (level.chars().next()?, level.get(1..)?.parse::<u16>().ok()?);
    match (region, number) {
        ('c', 1..=7) => Some(Label(10 + number)),
        ('t', 1..=12) => Some(Label(20 + number)),
        ('l', 1..=7) => Some(Label(40 + number)),
        _ => None,
    }
}

/// The disc between two levels that follow each other; `s`, `s1` and `sacrum` end the column.
fn disc_between(upper: &str, lower: &str) -> Option<Label> {
    let above = vertebra_from_level(upper)?;
    if matches!(lower, "s" | "s1" | "sacrum") {
        return matches!(above.0, 45 | 46).then_some(Label(100));
    }
    let below = vertebra_from_level(lower)?;
    let adjoining = match above.0 {
        17 => 21,
        32 => 41,
        n => n + 1,
    };
    match (above.0, below.0) {
        (45, 46) => Some(L5_L6),
        (_, n) if n == adjoining => disc_below(above),
        _ => None,
    }
}

/// The disc of a level pair written in one word, as TotalSpineSeg does (`l4l5`, `l5s`).
fn disc_from_joined(both: &str) -> Option<Label> {
    let cut = 1 + both.get(1..)?.find(|c: char| c.is_ascii_alphabetic())?;
    disc_between(both.get(..cut)?, both.get(cut..)?)
}

/// A structure under the name our own cases give it.
fn own(name: &str) -> Option<Label> {
    (1..=200).map(Label).find(|label| label.class().is_some() && label.name().eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    //! Every mapping is checked against the published tables, and names against numbers.

    use super::*;

    /// Expects `numbers` to map to the levels in the same order.
    fn expect(scheme: Scheme, numbers: impl Iterator<Item = u16>, levels: impl Iterator<Item = u16>) {
        for (number, label) in numbers.zip(levels) {
            assert_eq!(scheme.map(number), Some(Label(label)), "{scheme} {number}");
        }
    }

    #[test]
    fn verse_counts_downwards_from_c1() {
        expect(Scheme::Verse, 1..=7, 11..=17);
        expect(Scheme::Verse, 8..=19, 21..=32);
        expect(Scheme::Verse, 20..=25, 41..=46);
        assert_eq!(Scheme::Verse.map(26), Some(Label::SACRUM));
        assert!([0, 27, 28, 29, 120].into_iter().all(|n| Scheme::Verse.map(n).is_none()));
    }

    #[test]
    fn totalspineseg_is_ours() {
        let known: Vec<u16> = (0..=u16::MAX).filter(|n| Scheme::TotalSpineSeg.map(*n).is_some()).collect();
        let published = [1, 2].into_iter().chain(11..=17).chain(21..=32).chain(41..=47).chain([50]);
        let published: Vec<u16> = published.chain(63..=67).chain(71..=82).chain(91..=96).chain([100]).collect();
        assert!(published.iter().all(|n| Scheme::TotalSpineSeg.map(*n) == Some(Label(*n))));
        assert!(known.iter().all(|n| published.contains(n) || *n > 110));
    }

    #[test]
    fn totalsegmentator_counts_upwards_from_the_sacrum() {
        let up = || (41..=45).rev().chain((21..=32).rev()).chain((11..=17).rev());
        expect(Scheme::TotalSegmentator, 27..=50, up());
        expect(Scheme::TotalSegmentator, [25, 26, 79].into_iter(), [50, 50, 1].into_iter());
        expect(Scheme::TotalSegmentatorVertebraeMr, 2..=25, up());
        expect(Scheme::TotalSegmentatorVertebraeMr, 1..=1, 50..=50);
        expect(Scheme::TotalSegmentatorMr, [18, 21].into_iter(), [50, 1].into_iter());
        assert!([0, 1, 24, 51, 78, 80, 117].into_iter().all(|n| Scheme::TotalSegmentator.map(n).is_none()));
        assert!([0, 19, 20].into_iter().all(|n| Scheme::TotalSegmentatorMr.map(n).is_none()));
        assert_eq!(Scheme::TotalSegmentatorVertebraeMr.map(26), None);
    }

    #[test]
    fn spineps_has_vertebrae_discs_and_end_plates() {
        expect(Scheme::Spineps, 1..=7, 11..=17);
        expect(Scheme::Spineps, 102..=107, 63..=67);
        expect(Scheme::Spineps, [107, 108, 118, 119, 120, 123, 124].into_iter(), [71, 72, 82, 91, 92, 95, 100].into_iter());
        expect(Scheme::Spineps, [220, 26, 60, 61].into_iter(), [41, 50, 1, 2].into_iter());
        assert!([0, 27, 28, 49, 62, 100, 101, 126, 128].into_iter().all(|n| Scheme::Spineps.map(n).is_none()));
    }

    #[test]
    fn a_sixth_lumbar_vertebra_moves_the_disc_below_l5() {
        let mut five = [24, 124, 0];
        assert!(Scheme::Spineps.relabel(&mut five).is_empty());
        assert_eq!(five, [45, 100, 0]);
        let mut six = [24, 124, 25, 125];
        assert!(Scheme::Spineps.relabel(&mut six).is_empty());
        assert_eq!(six, [45, 96, 46, 100]);
    }

    #[test]
    fn numbers_without_a_place_are_reported() {
        let mut voxels = [28, 28, 24, 0, 27];
        assert_eq!(Scheme::Verse.relabel(&mut voxels), BTreeMap::from([(27, 1), (28, 2)]));
        assert_eq!(voxels, [0, 0, 45, 0, 0]);
    }

    /// What a scheme maps it knows; of the rest it knows organs, but not the background and nothing beyond its table.
    #[test]
    fn what_is_mapped_is_known() {
        for scheme in Scheme::ALL {
            assert!((0..=u16::MAX).all(|n| scheme.knows(n) || scheme.map(n).is_none()), "{scheme}");
            assert!(!scheme.knows(0) && !scheme.knows(300), "{scheme}");
        }
        assert!(Scheme::TotalSegmentator.knows(5) && Scheme::Verse.knows(28) && Scheme::Spineps.knows(49));
        assert!(!Scheme::TotalSpineSeg.knows(20) && !Scheme::Verse.knows(41));
    }

    #[test]
    fn schemes_are_read_by_name() {
        for scheme in Scheme::ALL {
            assert_eq!(scheme.to_string().to_uppercase().parse::<Scheme>(), Ok(scheme));
        }
        assert_eq!("totalsegmentator_mr".parse(), Ok(Scheme::TotalSegmentatorMr));
        let error = "vers".parse::<Scheme>().expect_err("no such scheme").to_string();
        assert!(error.contains("\"vers\"") && error.contains("spineps"), "{error}");
    }

    #[test]
    fn every_structure_is_found_by_its_own_name() {
        for label in (1..200).map(Label).filter(|l| l.class().is_some()) {
            assert_eq!(label_from_name(&label.name()), Some(label), "{}", label.name());
        }
    }

    #[test]
    fn names_of_other_tools_are_understood() {
        let cases = [
            ("vertebrae_T12", 32),
            ("vertebra C1", 11),
            ("L3", 43),
            ("disc_C7_T1", 71),
            ("disc_L5_S", 100),
            ("disc_L4L5", 95),
            ("disc_L5S", 100),
            ("disc_T12_L1", 91),
            ("vertebrae_S1", 50),
            ("spinal_canal", 2),
            ("Cord", 1),
        ];
        for (name, label) in cases {
            assert_eq!(label_from_name(name), Some(Label(label)), "{name}");
        }
        for name in ["", "disc", "disc_L1_L3", "disc_é5", "vertebrae_L9", "C8", "aorta", "disc_L5_T1", "é1"] {
            assert_eq!(label_from_name(name), None, "{name}");
        }
    }
}
