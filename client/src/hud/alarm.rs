//! The alarm band: level, distance, structure, and the threshold in force.

use bevy::prelude::*;
use spinor_sim::AlarmLevel;
use spinor_volume::Label;

use super::words::spoken;
use crate::room::{Room, ShownTool};

/// The band's colour by level.
pub(crate) const fn level_colour(level: AlarmLevel) -> Color {
    match level {
        AlarmLevel::Clear => Color::srgba(0.05, 0.30, 0.22, 0.78),
        AlarmLevel::Caution => Color::srgba(0.72, 0.45, 0.02, 0.90),
        AlarmLevel::Danger => Color::srgba(0.78, 0.05, 0.04, 0.94),
    }
}

/// The alarm band: level, distance, structure and the threshold in force; whose tool it is when not one's own. None where nobody holds
/// a tool: then there is nothing to be near.
///
/// Inside a structure the distance is negative and the level danger: never "clear". Where nothing neural is within reach it says so
/// instead of a number, and where the case holds nothing neural, that no alarm can come. A proposed structure is named as such, because its surface was never seen.
pub(crate) fn alarm_line(room: &Room) -> Option<(AlarmLevel, String)> {
    let worst = room.worst_tool()?;
    let (user, tool) = match worst {
        (_, tool) if tool.level > AlarmLevel::Clear => worst,
        _ => room.me.zip(room.my_tool()).unwrap_or(worst),
    };
    let whose = if Some(user) == room.me {
        String::new()
    } else {
        format!("{}: ", room.people.get(&user).map_or("somebody", |p| p.name.as_str()))
    };
    Some((tool.level, format!("{whose}{}", distance_line(tool, room))))
}

/// A structure's name, with what is to be known of it.
fn name(structure: Label, room: &Room) -> String {
    let proposed = if room.proposed.contains(&structure) { " (proposed)" } else { "" };
    format!("{}{proposed}", spoken(structure))
}

fn distance_line(tool: &ShownTool, room: &Room) -> String {
    let words = |[caution, danger]: [f32; 2]| format!("caution {caution:.1} mm, danger {danger:.1} mm");
    let Some((mm, structure)) = tool.nearest else {
        return if room.guards {
            format!("clear   nothing neural near   ({})", words(room.widest_mm()))
        } else {
            "NO ALARM   this case holds neither dura nor nerves".to_owned()
        };
    };
    let place = if mm < 0.0 {
        format!("{:.1} mm INSIDE {}", -mm, name(structure, room))
    } else {
        let bone = tool.bone_left_mm.map_or(String::new(), |mm| format!(", {mm:.1} mm of it bone"));
        let soon = tool.contact_s.filter(|_| tool.level > AlarmLevel::Clear);
        let soon = soon.map_or(String::new(), |s| format!(", contact in {s:.1} s"));
        format!("{mm:.1} mm to {}{bone}{soon}", name(structure, room))
    };
    let thresholds = words(room.in_force_mm(structure));
    match tool.warning {
        Some((of, threshold)) if tool.level > AlarmLevel::Clear => {
            let of = if of == structure { String::new() } else { format!(" for {}", name(of, room)) };
            format!("{}   {place}   (threshold {threshold:.1} mm{of})", tool.level.word().to_uppercase())
        }
        _ if tool.level > AlarmLevel::Clear => format!("{}   {place}   ({thresholds})", tool.level.word().to_uppercase()),
        _ => format!("clear   {place}   ({thresholds})"),
    }
}

/// What stands at a tool's tip while it warns, and in which level's colour; none when it does not.
pub(crate) fn tip_words(tool: &ShownTool, room: &Room) -> Option<String> {
    let (mm, structure) = tool.nearest.filter(|_| tool.level > AlarmLevel::Clear)?;
    let name = name(structure, room);
    Some(if mm < 0.0 { format!("{:.1} mm IN {name}", -mm) } else { format!("{mm:.1} mm  {name}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hud::words::tests::{room, tool};
    use spinor_sim::{Hand, UserId};

    /// The band names the threshold that is in force, never another one, and being inside the dura is danger with its depth.
    #[test]
    fn the_band_tells_the_truth() {
        let line = |mm, level| alarm_line(&room(&[(1, tool(mm, level))])).unwrap();
        assert_eq!(line(1.84, AlarmLevel::Danger).1, "DANGER   1.8 mm to dural sac   (threshold 2.7 mm)");
        let near = ShownTool { bone_left_mm: Some(1.24), contact_s: Some(0.32), ..tool(1.84, AlarmLevel::Danger) };
        let words = "DANGER   1.8 mm to dural sac, 1.2 mm of it bone, contact in 0.3 s   (threshold 2.7 mm)";
        assert_eq!(alarm_line(&room(&[(1, near)])).unwrap().1, words);
        assert_eq!(
            line(-0.6, AlarmLevel::Danger),
            (AlarmLevel::Danger, "DANGER   0.6 mm INSIDE dural sac   (threshold 2.7 mm)".to_owned())
        );
        assert_eq!(line(7.0, AlarmLevel::Clear).1, "clear   7.0 mm to dural sac   (caution 4.0 mm, danger 2.0 mm)");
        let far = ShownTool { nearest: None, ..tool(0.0, AlarmLevel::Clear) };
        let line = alarm_line(&room(&[(1, far)])).unwrap().1;
        assert_eq!(line, "clear   nothing neural near   (caution 4.0 mm, danger 2.0 mm)");
        let without = Room { guards: false, ..room(&[(1, far)]) };
        assert_eq!(alarm_line(&without).unwrap().1, "NO ALARM   this case holds neither dura nor nerves", "no false comfort");
        assert_eq!(alarm_line(&room(&[])), None, "without a tool there is no band");
    }

    /// The threshold of an uncertain structure farther away is not shown as if it were the nearest one's.
    #[test]
    fn another_structures_threshold_is_named() {
        let other = ShownTool { warning: Some((Label::root(5, true), 3.1)), ..tool(2.5, AlarmLevel::Caution) };
        let line = alarm_line(&room(&[(1, other)])).unwrap().1;
        assert_eq!(line, "CAUTION   2.5 mm to dural sac   (threshold 3.1 mm for left root L5)");
    }

    /// Everybody sees the worst alarm of all, with the name of who holds the tool.
    #[test]
    fn somebody_elses_danger_comes_first() {
        let (level, line) =
            alarm_line(&room(&[(1, tool(3.0, AlarmLevel::Caution)), (2, tool(1.0, AlarmLevel::Danger))])).unwrap();
        assert_eq!(level, AlarmLevel::Danger);
        assert!(line.starts_with("Ben: DANGER   1.0 mm"), "{line}");
        let clear = alarm_line(&room(&[(2, tool(9.0, AlarmLevel::Clear))])).unwrap().1;
        assert!(clear.starts_with("Ben: clear"), "whose tool it is stands there: {clear}");
    }

    /// A structure that nobody saw in an image is never named without saying so, and while the tool is clear of it the thresholds that
    /// stand there are those that its uncertainty widened.
    #[test]
    fn a_proposed_structure_is_called_proposed() {
        let proposed = |tool| {
            let mut room = room(&[(1, tool)]);
            room.proposed.insert(Label::DURAL_SAC);
            room.widened_mm.insert(Label::DURAL_SAC, 2.0);
            room
        };
        let near = proposed(tool(1.5, AlarmLevel::Danger));
        assert_eq!(alarm_line(&near).unwrap().1, "DANGER   1.5 mm to dural sac (proposed)   (threshold 2.7 mm)");
        assert_eq!(tip_words(&near.tools[&(UserId(1), Hand::Right)], &near).as_deref(), Some("1.5 mm  dural sac (proposed)"));
        let clear = proposed(tool(7.0, AlarmLevel::Clear));
        let line = alarm_line(&clear).unwrap().1;
        assert_eq!(line, "clear   7.0 mm to dural sac (proposed)   (caution 6.0 mm, danger 4.0 mm)");
        let far = proposed(ShownTool { nearest: None, ..tool(0.0, AlarmLevel::Clear) });
        assert_eq!(alarm_line(&far).unwrap().1, "clear   nothing neural near   (caution 6.0 mm, danger 4.0 mm)");
    }

    #[test]
    fn a_tip_speaks_only_while_it_warns() {
        let words = |mm, level| tip_words(&tool(mm, level), &room(&[]));
        assert_eq!(words(1.8, AlarmLevel::Danger).as_deref(), Some("1.8 mm  dural sac"));
        assert_eq!(words(-0.4, AlarmLevel::Danger).as_deref(), Some("0.4 mm IN dural sac"));
        assert_eq!(words(9.0, AlarmLevel::Clear), None);
    }
}
