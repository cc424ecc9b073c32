//! What a scripted surgeon, or a room, is told of a procedure on the command line.

use spinor_sim::procedure::{Procedure, Side, Target};
use spinor_surgeon::Skill;

/// How and where a scripted surgeon works.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct ScriptArgs {
    /// How: steady, hurried or careless. It changes tremor, speed and reaction, never what is aimed at [default: steady]
    #[arg(long, value_parser = skill)]
    skill: Option<Skill>,
    /// Seed of the tremor [default: 1]
    #[arg(long)]
    seed: Option<u64>,
    #[command(flatten)]
    place: PlaceArgs,
}

/// Where a procedure is done.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct PlaceArgs {
    /// The vertebra above the disc, L1 to L5 [default: L4]
    #[arg(long, value_parser = level)]
    level: Option<u16>,
    /// The side: left or right; of a laminectomy the one that is begun with [default: left]
    #[arg(long, value_parser = side)]
    side: Option<Side>,
}

impl PlaceArgs {
    /// The procedure at its place.
    pub(crate) fn target(&self, procedure: Procedure) -> Target {
        Target { procedure, level: self.level.unwrap_or(4), side: self.side.unwrap_or(Side::Left) }
    }

    /// An option that was given, by its name.
    pub(crate) fn given(&self) -> Option<&'static str> {
        let all = [("--level", self.level.is_some()), ("--side", self.side.is_some())];
        all.into_iter().find_map(|(name, is_given)| is_given.then_some(name))
    }
}

impl ScriptArgs {
    /// The procedure at its place.
    pub(crate) fn target(&self, procedure: Procedure) -> Target {
        self.place.target(procedure)
    }

    pub(crate) fn skill(&self) -> Skill {
        self.skill.unwrap_or(Skill::Steady)
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed.unwrap_or(1)
    }

    /// An option that was given, by its name.
    pub(crate) fn given(&self) -> Option<&'static str> {
        let all = [("--skill", self.skill.is_some()), ("--seed", self.seed.is_some())];
        all.into_iter().find_map(|(name, is_given)| is_given.then_some(name)).or_else(|| self.place.given())
    }
}

pub(crate) fn procedure(name: &str) -> Result<Procedure, String> {
    Procedure::from_name(name).ok_or_else(|| "not laminectomy, ulbd, foraminotomy or microdiscectomy".to_owned())
}

fn skill(name: &str) -> Result<Skill, String> {
    Skill::from_name(name).ok_or_else(|| "not steady, hurried or careless".to_owned())
}

fn level(name: &str) -> Result<u16, String> {
    let number = name.strip_prefix(['L', 'l']).and_then(|n| n.parse().ok()).filter(|n| (1..=5).contains(n));
    number.ok_or_else(|| "not L1 to L5".to_owned())
}

fn side(name: &str) -> Result<Side, String> {
    Side::BOTH.into_iter().find(|s| s.word() == name).ok_or_else(|| "not left or right".to_owned())
}
