//! Lines about tools, people, state of the room.

use spinor_shared::room::Role;
use spinor_sim::{BiteRefusal, Event, ToolKind};
use spinor_volume::Label;

use crate::room::{Mode, Person, Room, ShownTool};

/// A structure's name as people say it: `intervertebral_disc_L4_L5` becomes `disc L4/L5`.
pub(crate) fn spoken(label: Label) -> String {
    let name = label.name();
    let words: Vec<&str> = name.split('_').collect();
    match words.as_slice() {
        ["vertebrae", level] => (*level).to_owned(),
        ["intervertebral", "disc", a, b] => format!("disc {a}/{b}"),
        ["ligamentum", "flavum", a, b] => format!("flavum {a}/{b}"),
        ["nerve", "root", level, side] => format!("{side} root {level}"),
        words => words.join(" "),
    }
}

/// Tool, spindle and load of a hand.
pub(crate) fn tool_line(tool: &ShownTool) -> String {
    let mut line = format!("{} {:.1} mm", tool.kind.word(), f32::from(tool.size_tenth_mm) / 10.0);
    match tool.kind {
        kind if kind.is_burr() && tool.spindle_rpm >= 1.0 => {
            line += &format!("   {:.0},000 rpm", (tool.spindle_rpm / 1000.0).round());
        }
        kind if kind.is_burr() => line += "   stopped",
        kind if kind.has_jaws() => line += &format!("   {:.0} % closed", tool.trigger * 100.0),
        ToolKind::Suction | ToolKind::Irrigation if tool.trigger > 0.05 => line += "   on",
        _ => {}
    }
    if tool.load_newton >= 0.05 {
        line += &format!("   {:.1} N", tool.load_newton);
    }
    line + if tool.cutting { "   cutting" } else { "" }
}

/// What everybody should hear of at once, in words; none for what the tools' own lines show.
pub(crate) fn event_words(event: &Event) -> Option<String> {
    Some(match event {
        Event::NeuralTouch { structure, active: true, .. } => format!("a running tool touched {}", spoken(*structure)),
        Event::NeuralPinch { structure, .. } => format!("the jaws closed on {}", spoken(*structure)),
        Event::Kick { structure, .. } => format!("the burr grabbed {} and jumped", spoken(*structure)),
        Event::Breakthrough { plunge_um, .. } => format!("the burr broke through, {:.1} mm", f64::from(*plunge_um) / 1e3),
        Event::Overheated { tenth_celsius, .. } => {
            format!("bone at {:.0} °C: irrigate", f64::from(*tenth_celsius) / 10.0)
        }
        Event::DepthMark { structure, .. } => format!("depth mark reached in {}", spoken(*structure)),
        Event::DiscBreached { structure, .. } => format!("through the front of {}", spoken(*structure)),
        Event::RetractionHigh { structure, load_millinewton, .. } => {
            format!("{} held with {:.1} N", spoken(*structure), f64::from(*load_millinewton) / 1e3)
        }
        Event::ThinBone { structure, left_um, .. } => {
            format!("{:.1} mm of bone left over {}", f64::from(*left_um) / 1e3, spoken(*structure))
        }
        Event::Passage { diameter_tenth_mm, .. } => {
            format!("a ball of {:.1} mm passes", f64::from(*diameter_tenth_mm) / 10.0)
        }
        Event::NeuralTear { structure, length_um, .. } => {
            format!("{} tore, {:.1} mm", spoken(*structure), f64::from(*length_um) / 1e3)
        }
        Event::CsfLeak { structure, .. } => format!("CSF leaks from {}", spoken(*structure)),
        Event::ParsFracture { structure, left, .. } => {
            format!("the {} pars of {} broke", if *left { "left" } else { "right" }, spoken(*structure))
        }
        Event::Detached { structure, .. } => format!("a piece of {} came loose", spoken(*structure)),
        Event::FragmentTaken { structure, .. } => format!("a piece of {} is out", spoken(*structure)),
        Event::AnnulusClosed { structure, .. } => format!("the annulus of {} is closed: open it first", spoken(*structure)),
        Event::FieldVeiled { .. } => "blood and dust hide the place: suck or rinse".to_owned(),
        Event::BiteRefused { reason, .. } => match reason {
            BiteRefusal::Empty => "nothing between the jaws".to_owned(),
            BiteRefusal::TooThick => "too thick for the jaws: thin it first".to_owned(),
            BiteRefusal::NoRoom => "no room under the edge".to_owned(),
            BiteRefusal::NoEdge => "no free edge between the jaws".to_owned(),
            BiteRefusal::NotOuter => "not on an outer surface".to_owned(),
        },
        _ => return None,
    })
}

/// One line a person: role, name, and what is to be known about them.
pub(crate) fn person_line(person: &Person, me: bool) -> String {
    let mut line = format!("{}  {}", person.name, person.role);
    if me {
        line += "  (you)";
    }
    if !person.online {
        line += "  away";
    } else if person.role.may_operate() && !person.has_tool {
        line += "  without the tool";
    } else if person.role == Role::Resident {
        line += "  may operate";
    }
    line
}

/// Time as `HH:MM:SS`.
pub(crate) fn clock(seconds: f64) -> String {
    let s = seconds.max(0.0) as u64;
    format!("{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
}

/// State of the connection or the file, clock, and what stands still.
pub(crate) fn status_line(room: &Room, view: &str) -> String {
    let mut parts = vec![room.status.clone()];
    parts.extend(room.clock_secs.map(clock));
    parts.push(view.to_owned());
    if room.recorded && room.mode == Mode::Shared {
        parts.push("recording".to_owned());
    }
    if room.frozen {
        parts.push("TOOLS FROZEN".to_owned());
    }
    if room.paused {
        parts.push("PAUSED".to_owned());
    }
    if room.disk_full {
        parts.push("THE RECORDING CANNOT BE WRITTEN: THE ROOM WAITS".to_owned());
    }
    parts.retain(|part| !part.is_empty());
    parts.join("   |   ")
}

/// What is to be known about the picture itself: proposed structures, warnings of the case.
pub(crate) fn notes(room: &Room) -> Vec<String> {
    let mut lines = Vec::new();
    if !room.proposed.is_empty() {
        let names: Vec<String> = room.proposed.iter().map(|label| spoken(*label)).collect();
        let shown = if names.len() > 4 { format!("{} structures", names.len()) } else { names.join(", ") };
        lines.push(format!("striped: proposed, not seen in an image ({shown})"));
    }
    if room.silent {
        lines.push("no sound device: alarms are seen, not heard".to_owned());
    }
    match room.warnings.len() {
        0 => {}
        1 => lines.push("1 warning about this case (Tab: case)".to_owned()),
        n => lines.push(format!("{n} warnings about this case (Tab: case)")),
    }
    lines
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use bevy::prelude::{Transform, default};
    use spinor_sim::{AlarmLevel, Hand, UserId};

    pub(crate) fn tool(mm: f32, level: AlarmLevel) -> ShownTool {
        ShownTool {
            kind: ToolKind::FlutedBurr,
            size_tenth_mm: 40,
            at: Transform::IDENTITY,
            trigger: 1.0,
            load_newton: 1.24,
            nearest: Some((mm, Label::DURAL_SAC)),
            level,
            warning: (level > AlarmLevel::Clear).then_some((Label::DURAL_SAC, 2.7)),
            sounding: false,
            contact_s: None,
            bone_left_mm: None,
            spindle_rpm: 57_600.0,
            in_bone: true,
            cutting: true,
        }
    }

    pub(crate) fn room(tools: &[(u32, ShownTool)]) -> Room {
        let person = |user: u32, name: &str, role| {
            let user = UserId(user);
            (user, Person { user, name: name.to_owned(), role, has_tool: true, online: true, head: None })
        };
        Room {
            people: [person(1, "Ada", Role::Attending), person(2, "Ben", Role::Resident)].into(),
            tools: tools.iter().map(|(user, tool)| ((UserId(*user), Hand::Right), *tool)).collect(),
            me: Some(UserId(1)),
            thresholds_mm: [4.0, 2.0],
            guards: true,
            ..default()
        }
    }

    /// What hurt somebody is said in words with the structure's name; what only counts is not.
    #[test]
    fn grave_events_are_said() {
        let by = spinor_sim::Holder { user: UserId(1), hand: Hand::Right, tool: ToolKind::Kerrison };
        let pinch = Event::NeuralPinch { by, structure: Label::DURAL_SAC, depth_um: 300 };
        assert_eq!(event_words(&pinch).as_deref(), Some("the jaws closed on dural sac"));
        let at_rest = Event::NeuralTouch { by, structure: Label::DURAL_SAC, active: false, depth_um: 0 };
        assert_eq!(event_words(&at_rest), None);
        assert_eq!(event_words(&Event::BoneTouch { by, load_millinewton: 400 }), None);
    }

    #[test]
    fn lines_about_tools_people_and_state() {
        assert_eq!(tool_line(&tool(3.0, AlarmLevel::Caution)), "fluted burr 4.0 mm   58,000 rpm   1.2 N   cutting");
        let room = Room { frozen: true, status: "joined".to_owned(), clock_secs: Some(3_725.4), ..room(&[]) };
        assert_eq!(status_line(&room, "through Ben's eyes"), "joined   |   01:02:05   |   through Ben's eyes   |   TOOLS FROZEN");
        let ben = &room.people[&UserId(2)];
        assert_eq!(person_line(ben, false), "Ben  resident  may operate");
        assert_eq!(person_line(&Person { has_tool: false, ..ben.clone() }, false), "Ben  resident  without the tool");
        assert_eq!(person_line(&Person { online: false, ..ben.clone() }, true), "Ben  resident  (you)  away");
        assert_eq!(spoken(Label::disc_below(5)), "disc L5/S1");
    }

    /// Whoever looks at stripes is told what they mean, and that there are warnings and where.
    #[test]
    fn what_is_proposed_is_said() {
        let mut room = room(&[]);
        assert!(notes(&room).is_empty());
        room.proposed.insert(Label::flavum_below(4));
        room.silent = true;
        room.warnings.push("left and right are unknown".to_owned());
        assert_eq!(
            notes(&room),
            [
                "striped: proposed, not seen in an image (flavum L4/L5)",
                "no sound device: alarms are seen, not heard",
                "1 warning about this case (Tab: case)"
            ]
        );
    }
}
