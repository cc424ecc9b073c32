//! Which procedure, on which side, at which level.

use spinor_volume::Label;
use spinor_volume::measure::Side;

/// A procedure that this crate knows the steps of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Procedure {
    /// Open laminectomy: spinous process, both laminae, flavum, both recesses.
    Laminectomy = 0,
    /// Unilateral laminotomy for bilateral decompression: from one side, under the spinous process, to the other.
    Ulbd = 1,
    /// Foraminotomy: the roof of one foramen, the tip of the superior articular process.
    Foraminotomy = 2,
    /// Microdiscectomy: through a small window, past the root, into the disc.
    Microdiscectomy = 3,
}

impl Procedure {
    /// All procedures in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Laminectomy, Self::Ulbd, Self::Foraminotomy, Self::Microdiscectomy];

    /// The procedure of a number, as stored and sent.
    pub fn from_number(n: u8) -> Option<Self> {
        Self::ALL.get(n as usize).copied()
    }

    /// Its name on the command line and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Laminectomy => "laminectomy",
            Self::Ulbd => "ulbd",
            Self::Foraminotomy => "foraminotomy",
            Self::Microdiscectomy => "microdiscectomy",
        }
    }

    /// The procedure of a [`Self::name`].
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.name() == name)
    }

    /// Whether its aim is a wider canal; the others free one root, and may leave the canal as narrow as it was.
    pub const fn widens_canal(self) -> bool {
        matches!(self, Self::Laminectomy | Self::Ulbd)
    }

    /// Whether it is done from one side only, so that the other side's lamina must stay.
    pub const fn is_one_sided(self) -> bool {
        !matches!(self, Self::Laminectomy)
    }
}

/// What is to be done where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// The procedure.
    pub procedure: Procedure,
    /// The lumbar vertebra above the disc, 1 = L1 to 5 = L5.
    pub level: u16,
    /// The side that it is done from; a laminectomy does both and begins here.
    pub side: Side,
}

impl Target {
    /// The vertebra above the disc.
    pub const fn upper(&self) -> Label {
        Label::lumbar(self.level)
    }

    /// In the words of a note in a recording: `procedure=laminectomy level=L4 side=left`.
    pub fn words(&self) -> String {
        format!("procedure={} level=L{} side={}", self.procedure.name(), self.level, self.side.word())
    }

    /// The target that a note names by [`Self::words`], in any order and among other words; none where it names no whole one.
    pub fn from_words(note: &str) -> Option<Self> {
        let word = |key: &str| note.split([' ', ',', ';']).find_map(|part| part.strip_prefix(key)?.strip_prefix('='));
        let level = word("level")?.strip_prefix('L')?.parse().ok()?;
        let side = Side::BOTH.into_iter().find(|side| Some(side.word()) == word("side"))?;
        Self::new(Procedure::from_name(word("procedure")?)?, level, side)
    }

    /// A procedure at a lumbar level, 1 to 5; none at another.
    pub fn new(procedure: Procedure, level: u16, side: Side) -> Option<Self> {
        (1..=5).contains(&level).then_some(Self { procedure, level, side })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Notes name a target by its words in any order; what is no procedure, level or side is none.
    #[test]
    fn notes_name_a_target() {
        let target = Target::from_words("rehearsal: procedure=ulbd level=L4 side=right skill=steady seed=7").unwrap();
        assert_eq!((target.procedure, target.level, target.side), (Procedure::Ulbd, 4, Side::Right));
        assert_eq!(Target::from_words(&target.words()), Some(target));
        for wrong in [
            "",
            "procedure=none",
            "step done: level_check",
            "procedure=ulbd level=L9 side=left",
            "procedure=x level=L4 side=left",
            "procedure=ulbd level=L4",
        ] {
            assert_eq!(Target::from_words(wrong), None, "{wrong}");
        }
    }
}
