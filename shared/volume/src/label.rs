//! Labels, structure names and tissue classes.
//!
//! Numbers follow TotalSpineSeg's final map; names are written as TotalSegmentator writes them (`vertebrae_L5`).
//! Ligamentum flavum and nerve roots, which that map lacks, have numbers of our own above 110 (docs/FORMATS.md).

use std::fmt;

/// A structure's number in a case: 0 is background.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(pub u16);

/// What a tool's rule distinguishes; every class has a cut field of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum TissueClass {
    /// Vertebrae and sacrum.
    Bone = 0,
    /// Ligamentum flavum.
    Flavum = 1,
    /// Intervertebral discs.
    Disc = 2,
    /// Dural sac, cord and nerve roots.
    Neural = 3,
}

impl TissueClass {
    /// All classes in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Bone, Self::Flavum, Self::Disc, Self::Neural];

    /// The class of a number, as stored and sent.
    pub fn from_number(n: u8) -> Option<Self> {
        Self::ALL.get(n as usize).copied()
    }
}

/// A set of tissue classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClassMask(pub u8);

impl ClassMask {
    /// No class.
    pub const NONE: Self = Self(0);

    /// The set of the given classes.
    pub const fn of(classes: &[TissueClass]) -> Self {
        let (mut bits, mut k) = (0, 0);
        while k < classes.len() {
            bits |= 1 << classes[k] as u8;
            k += 1;
        }
        Self(bits)
    }

    /// Whether the set holds `class`.
    pub const fn contains(self, class: TissueClass) -> bool {
        self.0 >> class as u8 & 1 == 1
    }

    /// The classes in the set, in the order of their numbers.
    pub fn iter(self) -> impl Iterator<Item = TissueClass> {
        TissueClass::ALL.into_iter().filter(move |class| self.contains(*class))
    }
}

/// First label of the flava: `LIGAMENTUM_FLAVUM + level` lies between lumbar `level` and the one below (1 = L1/L2 ... 5 = L5/S1).
const FLAVUM: u16 = 110;
/// First label of the roots: `+ 2 * level` left, `+ 2 * level + 1` right, level 1 = L1 ... 5 = L5, 6 = S1.
const ROOT: u16 = 120;

impl Label {
    /// Background.
    pub const BACKGROUND: Self = Self(0);
    /// Spinal cord.
    pub const SPINAL_CORD: Self = Self(1);
    /// Spinal canal's content: the dural sac with the cauda equina.
    pub const DURAL_SAC: Self = Self(2);
    /// Sacrum.
    pub const SACRUM: Self = Self(50);

    /// Lumbar vertebra `level` (1 = L1 ... 6 = L6).
    pub const fn lumbar(level: u16) -> Self {
        Self(40 + level)
    }

    /// Ligamentum flavum below lumbar `level` (1 = L1/L2 ... 5 = L5/S1).
    pub const fn flavum_below(level: u16) -> Self {
        Self(FLAVUM + level)
    }

    /// Disc below lumbar `level` (1 = L1/L2 ... 5 = L5/S1).
    pub const fn disc_below(level: u16) -> Self {
        if level == 5 { Self(100) } else { Self(91 + level) }
    }

    /// Nerve root of lumbar `level` (6 = S1), left or right.
    pub const fn root(level: u16, left: bool) -> Self {
        Self(ROOT + 2 * level + if left { 0 } else { 1 })
    }

    /// The tissue class of a structure with this label; none for the background and for numbers without a structure.
    pub const fn class(self) -> Option<TissueClass> {
        match self.0 {
            1 | 2 | 122..=133 => Some(TissueClass::Neural),
            11..=17 | 21..=32 | 41..=47 | 50 => Some(TissueClass::Bone),
            63..=67 | 71..=82 | 91..=96 | 100 => Some(TissueClass::Disc),
            111..=115 => Some(TissueClass::Flavum),
            _ => None,
        }
    }

    /// The level a bone, disc, flavum or root belongs to, named after the vertebra (`L4`); the upper one for what lies between two.
    pub fn level(self) -> Option<String> {
        let n = self.0;
        Some(match n {
            11..=17 => format!("C{}", n - 10),
            21..=32 => format!("T{}", n - 20),
            41..=47 => format!("L{}", n - 40),
            50 => "S1".to_owned(),
            63..=67 => format!("C{}", n - 61),
            71 => "C7".to_owned(),
            72..=82 => format!("T{}", n - 71),
            91 => "T12".to_owned(),
            92..=96 => format!("L{}", n - 91),
            100 => "L5".to_owned(),
            111..=115 => format!("L{}", n - FLAVUM),
            122..=131 => format!("L{}", (n - ROOT) / 2),
            132 | 133 => "S1".to_owned(),
            _ => return None,
        })
    }

    /// The structure's name as TotalSegmentator writes names (`vertebrae_L5`, `intervertebral_disc_L4_L5`).
    ///
    /// ```
    /// # use spinor_volume::Label;
    /// assert_eq!(Label::lumbar(5).name(), "vertebrae_L5");
    /// assert_eq!(Label::disc_below(5).name(), "intervertebral_disc_L5_S1");
    /// assert_eq!(Label::root(6, true).name(), "nerve_root_S1_left");
    /// ```
    pub fn name(self) -> String {
        let below = |level: &str| match level {
            "C7" => "T1".to_owned(),
            "T12" => "L1".to_owned(),
            "L5" => "S1".to_owned(),
            _ => format!("{}{}", &level[..1], level[1..].parse::<u16>().map_or(0, |n| n + 1)),
        };
        let level = self.level().unwrap_or_default();
        match self.0 {
            0 => "background".to_owned(),
            1 => "spinal_cord".to_owned(),
            2 => "dural_sac".to_owned(),
            50 => "sacrum".to_owned(),
            96 => "intervertebral_disc_L5_L6".to_owned(),
            11..=47 if self.class().is_some() => format!("vertebrae_{level}"),
            63..=100 if self.class().is_some() => format!("intervertebral_disc_{level}_{}", below(&level)),
            111..=115 => format!("ligamentum_flavum_{level}_{}", below(&level)),
            122..=133 => format!("nerve_root_{level}_{}", if self.0.is_multiple_of(2) { "left" } else { "right" }),
            n => format!("label_{n}"),
        }
    }

    /// The structure that [`Self::name`] gives a name; none for other words.
    ///
    /// ```
    /// # use spinor_volume::Label;
    /// assert_eq!(Label::named("vertebrae_L5"), Some(Label::lumbar(5)));
    /// assert_eq!(Label::named("lamina"), None);
    /// ```
    pub fn named(name: &str) -> Option<Self> {
        (1..=ROOT + 13).map(Self).find(|label| label.class().is_some() && label.name() == name)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_levels_right() {
        let named: Vec<Label> = (1..200).map(Label).filter(|l| l.class().is_some()).collect();
        let names: BTreeSet<String> = named.iter().map(|l| l.name()).collect();
        assert_eq!(names.len(), named.len());
        assert!(named.iter().all(|label| Label::named(&label.name()) == Some(*label)));
        assert_eq!(Label::named("background"), None);
        assert_eq!(Label(32).name(), "vertebrae_T12");
        assert_eq!(Label(91).name(), "intervertebral_disc_T12_L1");
        assert_eq!(Label(63).name(), "intervertebral_disc_C2_C3");
        assert_eq!(Label::flavum_below(4).name(), "ligamentum_flavum_L4_L5");
        assert_eq!(Label::root(1, false).name(), "nerve_root_L1_right");
        assert_eq!(Label::root(1, false).class(), Some(TissueClass::Neural));
    }

    #[test]
    fn masks_hold_their_classes() {
        let mask = ClassMask::of(&[TissueClass::Bone, TissueClass::Disc]);
        assert_eq!(mask.iter().collect::<Vec<_>>(), [TissueClass::Bone, TissueClass::Disc]);
        assert!(!mask.contains(TissueClass::Neural));
    }
}
