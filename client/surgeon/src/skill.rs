//! How a surgeon works: tremor, speed, reaction. Never where to.

/// A surgeon's skill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Skill {
    /// Quiet hand, unhurried, watches closely.
    Steady,
    /// In a hurry: faster, and later to react.
    Hurried,
    /// Careless: a loose hand, fast, and late.
    Careless,
}

/// The numbers of a skill.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Habits {
    /// Deviation of the hand from where it means to be, along each axis, mm.
    pub tremor_mm: f64,
    /// Factor on every speed.
    pub speed: f64,
    /// Ticks from what happens to what is done about it.
    pub reaction_ticks: usize,
}

impl Skill {
    /// All skills, the best first.
    pub const ALL: [Self; 3] = [Self::Steady, Self::Hurried, Self::Careless];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Hurried => "hurried",
            Self::Careless => "careless",
        }
    }

    /// The skill of a [`Self::name`].
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.name() == name)
    }

    /// Its numbers. Physiological tremor of a rested surgeon's tip is about 0.05-0.1 mm, a visual reaction takes 0.2 s; the rest is chosen
    /// to be told apart (K).
    pub const fn habits(self) -> Habits {
        match self {
            Self::Steady => Habits { tremor_mm: 0.06, speed: 1.0, reaction_ticks: 12 },
            Self::Hurried => Habits { tremor_mm: 0.18, speed: 1.6, reaction_ticks: 18 },
            Self::Careless => Habits { tremor_mm: 0.45, speed: 2.0, reaction_ticks: 30 },
        }
    }
}
