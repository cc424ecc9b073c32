//! Who may do what now, and why not. The server decides; this says it before anybody asks in vain.

use bevy::prelude::*;
use spinor_shared::mark::{MAX_POINTS, MAX_TEXT};
use spinor_sim::settings::LEAST_DANGER_MM;
use spinor_sim::{Hand, UserId};

use crate::room::{Mode, Room};
use crate::source::now;
use crate::wish::{Granted, Wish};
use crate::{Allow, Steer};

/// Turns wishes into grants or answers.
pub(crate) struct MayPlugin;

impl Plugin for MayPlugin {
    fn build(&self, app: &mut App) {
        app.add_message::<Wish>().add_message::<Granted>().add_systems(Update, grant.after(Steer).before(Allow));
    }
}

fn grant(mut wishes: MessageReader<Wish>, mut granted: MessageWriter<Granted>, mut room: ResMut<Room>, time: Res<Time<Real>>) {
    for wish in wishes.read() {
        match refusal(wish, &room) {
            None => {
                granted.write(Granted(wish.clone()));
            }
            Some(reason) => room.message = Some((format!("{}: {reason}", wish.what()), now(&time))),
        }
    }
}

/// Why a wish cannot be granted now; none when it can.
pub(crate) fn refusal(wish: &Wish, room: &Room) -> Option<String> {
    match wish {
        Wish::Take(..) | Wish::NextTool(..) | Wish::PutAway(_) | Wish::Resize(..) | Wish::OtherHand | Wish::Pedal => {
            operating(room)
        }
        Wish::Freeze | Wish::Pause | Wish::Alarm(_) => directing(room).or_else(|| match wish {
            Wish::Alarm([caution, danger]) if danger > caution => Some("danger cannot lie beyond caution".to_owned()),
            Wish::Alarm([_, danger]) if f64::from(*danger) < LEAST_DANGER_MM => {
                Some(format!("danger begins {LEAST_DANGER_MM} mm before contact at the latest"))
            }
            _ => None,
        }),
        Wish::Right { user, give } => right(room, *user, *give),
        Wish::Follow(_) => directing(room).or_else(|| together(room)),
        Wish::NextLevel | Wish::NextSide => directing(room),
        Wish::Measure => together(room),
        Wish::Guidance if room.procedure.is_none() => Some("the room follows no procedure (L)".to_owned()),
        Wish::Pass { hand, to } => passing(room, *hand, *to),
        Wish::GoBack(_) => directing(room).or_else(|| match room.mode {
            Mode::Practice => Some("alone nothing is recorded: open the case again".to_owned()),
            _ if !room.recorded => Some("the room is not recorded".to_owned()),
            _ => None,
        }),
        Wish::Point(_) | Wish::Draw(_) | Wish::ClearMarks | Wish::Say(_) => speaking(room).or_else(|| match wish {
            Wish::Draw(line) if line.is_empty() || line.len() > MAX_POINTS => Some("a line that cannot be sent".to_owned()),
            Wish::Say(words) if words.len() > MAX_TEXT => Some("too many words at once".to_owned()),
            _ => None,
        }),
        Wish::NextView if !room.has_others() => Some("nobody else's head is to be seen".to_owned()),
        Wish::Play | Wish::Skip(_) | Wish::Ends(_) | Wish::Speed(_) | Wish::Moment(_) if room.mode != Mode::Film => {
            Some("this is no recording".to_owned())
        }
        _ => None,
    }
}

const FILM: &str = "this is a recording: what happened stays";

/// Whether tools may be held.
pub(crate) fn operating(room: &Room) -> Option<String> {
    match (room.mode, room.myself()) {
        (Mode::Film, _) => Some(FILM.to_owned()),
        (_, None) => Some("not in the room yet".to_owned()),
        (_, Some(me)) if !me.role.may_operate() => Some(format!("a {} holds no tools", me.role)),
        _ => None,
    }
}

fn directing(room: &Room) -> Option<String> {
    match (room.mode, room.myself()) {
        (Mode::Film, _) => Some(FILM.to_owned()),
        (_, None) => Some("not in the room yet".to_owned()),
        (_, Some(me)) if !me.role.may_direct() => Some(format!("a {} may not: the attending directs", me.role)),
        _ => None,
    }
}

/// What only a server does.
fn together(room: &Room) -> Option<String> {
    match (room.mode, room.myself()) {
        (Mode::Film, _) => Some(FILM.to_owned()),
        (Mode::Practice, _) => Some("alone nobody does: serve the case and join".to_owned()),
        (_, None) => Some("not in the room yet".to_owned()),
        _ => None,
    }
}

fn right(room: &Room, user: UserId, give: bool) -> Option<String> {
    let Some(person) = room.people.get(&user) else { return Some("there is no such person".to_owned()) };
    directing(room).or_else(|| match (room.mode, give) {
        (Mode::Practice, _) => Some("you are alone".to_owned()),
        (_, true) if !person.role.may_operate() => Some(format!("a {} never operates", person.role)),
        _ => None,
    })
}

/// The same conditions as the server's: the giver operates, the receiver may and can be reached.
fn passing(room: &Room, hand: Hand, to: UserId) -> Option<String> {
    let Some(person) = room.people.get(&to).filter(|_| Some(to) != room.me) else {
        return Some("there is no such person".to_owned());
    };
    let directs = room.myself().is_some_and(|me| me.role.may_direct());
    operating(room).or_else(|| match room.me {
        _ if !person.role.may_operate() => Some(format!("a {} never operates", person.role)),
        _ if !person.online => Some(format!("{} is away", person.name)),
        _ if room.myself().is_some_and(|me| !me.has_tool) => Some("the attending has not given you the tool".to_owned()),
        _ if !person.has_tool && !directs => Some(format!("the attending has not given {} the tool", person.name)),
        Some(me) if room.tools.contains_key(&(me, hand)) => None,
        _ => Some("your hand is empty".to_owned()),
    })
}

fn speaking(room: &Room) -> Option<String> {
    match (room.mode, room.myself()) {
        (Mode::Film, _) => Some(FILM.to_owned()),
        (_, None) => Some("not in the room yet".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hud::words::tests::tool;
    use crate::room::Person;
    use spinor_shared::room::Role;
    use spinor_sim::{AlarmLevel, ToolKind};

    fn room(role: Role, mode: Mode) -> Room {
        let person = |user: u32, role| {
            let user = UserId(user);
            (user, Person { user, name: user.0.to_string(), role, has_tool: true, online: true, head: None })
        };
        Room {
            people: [person(1, role), person(2, Role::Resident), person(3, Role::Mentor)].into(),
            me: Some(UserId(1)),
            mode,
            ..default()
        }
    }

    /// The client says no where the server would: the same rows as the table of roles in docs/PROTOCOL.md.
    #[test]
    fn roles_are_told_before_they_ask() {
        let direct = [Wish::Freeze, Wish::Pause, Wish::Alarm([4.0, 2.0]), Wish::Right { user: UserId(2), give: false }];
        let operate = [Wish::Take(Hand::Right, ToolKind::Probe), Wish::Resize(Hand::Left, 1)];
        let speak = [Wish::Point(Vec3::ZERO), Wish::Say("here".to_owned()), Wish::ClearMarks];
        for role in Role::ALL {
            let room = room(role, Mode::Shared);
            let all = |wishes: &[Wish], yes: bool| wishes.iter().all(|wish| refusal(wish, &room).is_none() == yes);
            assert!(all(&direct, role.may_direct()), "{role}");
            assert!(all(&operate, role.may_operate()), "{role}");
            assert!(all(&speak, true), "{role}");
        }
        assert!(refusal(&Wish::Freeze, &room(Role::Mentor, Mode::Shared)).unwrap().contains("mentor"));
    }

    /// A tool is handed over where the server would allow it: by whoever operates, to somebody who may.
    #[test]
    fn tools_are_handed_over_to_who_may_hold_them() {
        let mut room = room(Role::Resident, Mode::Shared);
        let pass = |room: &Room, to| refusal(&Wish::Pass { hand: Hand::Right, to: UserId(to) }, room);
        assert!(pass(&room, 2).unwrap().contains("empty"));
        room.tools.insert((UserId(1), Hand::Right), tool(9.0, AlarmLevel::Clear));
        assert_eq!(pass(&room, 2), None);
        assert!(pass(&room, 3).unwrap().contains("never operates"), "a mentor");
        assert!(pass(&room, 1).is_some() && pass(&room, 9).is_some());
        room.people.get_mut(&UserId(2)).unwrap().has_tool = false;
        assert!(pass(&room, 2).is_some(), "only the attending gives the right");
        room.people.get_mut(&UserId(1)).unwrap().role = Role::Attending;
        assert_eq!(pass(&room, 2), None);
        assert!(refusal(&Wish::GoBack(10), &room).unwrap().contains("not recorded"));
        assert_eq!(refusal(&Wish::GoBack(10), &Room { recorded: true, ..room }), None);
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_reason() {
        let room = room(Role::Attending, Mode::Shared);
        assert!(refusal(&Wish::Right { user: UserId(3), give: true }, &room).unwrap().contains("never operates"));
        assert!(refusal(&Wish::Right { user: UserId(9), give: true }, &room).is_some());
        assert!(refusal(&Wish::Alarm([2.0, 3.0]), &room).is_some() && refusal(&Wish::Alarm([2.0, 0.0]), &room).is_some());
        assert!(refusal(&Wish::Play, &room).is_some());
        assert!(refusal(&Wish::NextView, &room).is_some(), "nobody has a head");
        assert!(refusal(&Wish::Say("x".repeat(MAX_TEXT + 1)), &room).is_some());
        let film = Room { mode: Mode::Film, me: None, ..room };
        assert!(refusal(&Wish::Freeze, &film).unwrap().contains("recording"));
        assert!(refusal(&Wish::Play, &film).is_none() && refusal(&Wish::Help, &film).is_none());
    }
}
