//! What is shown of the patient: each structure solid, see-through or not at all.

use std::collections::BTreeMap;

use bevy::prelude::*;
use spinor_volume::Structure;

use super::anatomy::Anatomy;
use crate::Allow;
use crate::wish::{Granted, Target, Wish};

/// How a structure is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Look {
    /// As it is.
    #[default]
    Solid,
    /// See-through.
    Faint,
    /// Not at all.
    Hidden,
}

impl Look {
    const fn next(self) -> Self {
        match self {
            Self::Solid => Self::Faint,
            Self::Faint => Self::Hidden,
            Self::Hidden => Self::Solid,
        }
    }
}

/// How everything is shown. It is one's own picture only: nobody else's changes, and no tool and no alarm heeds it.
#[derive(Resource, Debug, Default)]
pub(crate) struct Looks(BTreeMap<u16, Look>);

impl Looks {
    /// How a structure is shown, by its place in the patient.
    pub(crate) fn of(&self, structure: u16) -> Look {
        self.0.get(&structure).copied().unwrap_or_default()
    }

    /// The next look of a target: of several structures the one after the first one's, for all of them.
    pub(crate) fn next(&mut self, target: Target, structures: &[Structure]) {
        let meant = |(n, structure): (usize, &Structure)| {
            let is = match target {
                Target::Class(class) => structure.class == class,
                Target::Structure(one) => usize::from(one) == n,
            };
            is.then_some(n as u16)
        };
        let meant: Vec<u16> = structures.iter().enumerate().filter_map(meant).collect();
        let Some(first) = meant.first() else { return };
        let look = self.of(*first).next();
        self.0.extend(meant.into_iter().map(|structure| (structure, look)));
    }
}

/// Carries out wishes about what is shown.
pub(crate) struct LooksPlugin;

impl Plugin for LooksPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<Looks>().add_systems(Update, serve.in_set(Allow));
    }
}

fn serve(mut granted: MessageReader<Granted>, mut looks: ResMut<Looks>, anatomy: Option<Res<Anatomy>>) {
    for Granted(wish) in granted.read() {
        match wish {
            Wish::NextLook(target) => {
                if let Some(anatomy) = &anatomy {
                    looks.next(*target, anatomy.patient.structures());
                }
            }
            Wish::ResetLooks => looks.0.clear(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spinor_client_core::testing::two_balls;
    use spinor_volume::TissueClass;

    /// A class goes solid, see-through, hidden, solid; single structures differ from their class until the class is changed.
    #[test]
    fn looks_go_round() {
        let patient = two_balls();
        let structures = patient.structures();
        let bone = structures.iter().position(|s| s.class == TissueClass::Bone).unwrap() as u16;
        let sac = 1 - bone;
        let mut looks = Looks::default();
        looks.next(Target::Class(TissueClass::Bone), structures);
        assert_eq!((looks.of(bone), looks.of(sac)), (Look::Faint, Look::Solid));
        looks.next(Target::Structure(bone), structures);
        assert_eq!(looks.of(bone), Look::Hidden);
        looks.next(Target::Class(TissueClass::Bone), structures);
        assert_eq!(looks.of(bone), Look::Solid);
        looks.next(Target::Class(TissueClass::Disc), structures);
        assert_eq!(looks.of(sac), Look::Solid, "a class that the patient lacks changes nothing");
    }
}
