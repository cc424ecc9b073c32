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
}
