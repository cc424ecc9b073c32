//! What the help tells: every way to ask for something, by what the program is steered with.

use crate::may;
use crate::room::{Mode, Room};

/// What the program is steered with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum By {
    /// Mouse and keys.
    #[default]
    Desk,
    /// Controllers in a headset.
    Headset,
}

/// Paragraphs, each for a column of its own.
pub(crate) fn groups(by: By, room: &Room) -> Vec<String> {
    match (by, room.mode) {
        (By::Desk, Mode::Film) => vec![FILM.to_owned(), PICTURE.to_owned()],
        (By::Desk, _) => {
            let hands = match may::operating(room) {
                None => HANDS.to_owned(),
                Some(reason) => format!("TOOLS\n({reason})"),
            };
            vec![hands, RACK.to_owned(), PICTURE.to_owned(), TOGETHER.to_owned()]
        }
        (By::Headset, _) => vec![HEADSET.to_owned()],
    }
}

const HANDS: &str = "\
TOOL IN HAND
mouse          move the tip across the view
wheel          push away, pull back
Shift+wheel    finer
left button    trigger, pedal, squeeze
Ctrl+mouse     tilt
Q  E           roll
X              the other hand
T              hold the pedal down";

const RACK: &str = "\
RACK
1-9            fluted burr, diamond burr,
               Kerrison, probe, suction,
               Kerrison 40°, Leksell,
               pituitary, curette
Shift+1-5      angled curette, Penfield,
               retractor, irrigation,
               osteotome
-  =           smaller, larger
0              put away
Tab            menu (arrows, Enter, mouse)";

const PICTURE: &str = "\
PICTURE
right drag     turn the camera
middle drag    move it
Ctrl+wheel     nearer, farther
V  Shift+V     next person's eyes, free
B  Shift+B     see through bone, all solid
O              structures
C              slices at the tip
W              bone, soft, spine window
,  .           darker, brighter
Shift+, .      harder, softer
I              CT, MR
F12            picture to a file
F1, H          this help";

const TOGETHER: &str = "\
TOGETHER
M              point at the tissue there
N (hold)       draw on it
Del            take my drawings away
Enter          write to everybody
               (no voice: use a telephone)
G              people, freeze, tools
K              alarm thresholds
L  J           procedure, guidance on or off
U              measures of the canal
Space          freeze   (attending)
P              pause    (attending)";

const FILM: &str = "\
RECORDING
Space          play, stop
Left  Right    10 seconds back, on
Shift+Left     1 second back (Right: on)
[  ]           slower, faster
PgUp  PgDn     last, next alarm or injury
Home  End      start, end
left drag      turn the camera
Tab            menu (arrows, Enter, mouse)";

const HEADSET: &str = "\
CONTROLLERS
trigger            run the tool of that hand
squeeze            point; hold it to draw
stick left, right  tool before, next tool
stick up, down     larger, smaller
A / X              open the menu; pick in it
B / Y              slices; close the menu
in the menu        stick up, down: row
                   stick left, right: page
                   trigger or A / X: pick";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hud::layout::HELP_COLUMNS;
    use crate::hud::words::tests::room;

    /// There is a column for every paragraph, and no line is too long for two columns at 800 × 600.
    #[test]
    fn the_help_fits() {
        for (by, mode) in [(By::Desk, Mode::Film), (By::Desk, Mode::Shared), (By::Headset, Mode::Shared)] {
            let groups = groups(by, &Room { mode, ..room(&[]) });
            assert!(groups.len() <= HELP_COLUMNS);
            assert!(groups.iter().flat_map(|group| group.lines()).all(|line| line.chars().count() <= 48));
        }
    }

    /// Whoever may hold no tool is told so instead of how.
    #[test]
    fn a_mentor_reads_why_there_are_no_tools() {
        let mut room = room(&[]);
        if let Some(me) = room.people.get_mut(&spinor_sim::UserId(1)) {
            me.role = spinor_shared::room::Role::Mentor;
        }
        assert!(groups(By::Desk, &room)[0].contains("a mentor holds no tools"));
    }
}
