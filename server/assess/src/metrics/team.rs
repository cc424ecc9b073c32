//! Who did what, and how the people worked together.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use spinor_shared::session::Control;
use spinor_sim::{Event, UserId};

use super::contacts::Contact;
use super::efficiency::removing_ticks;
use super::volume_mm3;
use crate::gather::{Direction, Session};

/// Load from which a tool works on something, mN: that from which a stopped tool counts as touching bone (K).
const LOADED_MILLINEWTON: u32 = 30;

/// One person's part.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[expect(missing_docs, reason = "defined in `definitions`")]
pub struct User {
    pub role: String,
    pub removed_mm3: BTreeMap<String, f64>,
    pub removing_s: f64,
    pub neural_contacts: u32,
    pub pinches: u32,
    pub bites_refused: u32,
    pub both_hands_loaded_s: f64,
}

/// How people worked together.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[expect(missing_docs, reason = "defined in `definitions`")]
pub struct Team {
    pub two_people_loaded_s: f64,
    pub hand_overs: u32,
    pub rights_given: u32,
    pub turns: u32,
    pub rewinds: u32,
    pub interventions: Vec<Intervention>,
}

/// Somebody who directs the room, or watches over it, stepped in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "defined in `definitions`")]
pub struct Intervention {
    pub at_tick: u32,
    pub user: String,
    pub role: String,
    pub what: String,
}

/// Everybody who was there or did something.
pub(crate) fn users(session: &Session, contacts: &[Contact]) -> BTreeMap<String, User> {
    let hz = f64::from(session.tick_hz.max(1));
    let seen = session.people.keys().copied().chain(session.events.iter().map(|(_, e)| e.by().user.0));
    let mut users = BTreeMap::new();
    let loaded = loaded(session);
    for number in seen.collect::<BTreeSet<u32>>() {
        let id = UserId(number);
        let mut user = User { role: role(session, id), ..User::default() };
        user.removing_s = removing_ticks(session, Some(id)).len() as f64 / hz;
        for (_, event) in session.events.iter().filter(|(_, e)| e.by().user == id) {
            match event {
                Event::Removed { structure, occupancy, .. } => {
                    *user.removed_mm3.entry(structure.name()).or_default() += volume_mm3(session, *occupancy);
                }
                Event::NeuralPinch { .. } => user.pinches += 1,
                Event::BiteRefused { .. } => user.bites_refused += 1,
                _ => {}
            }
        }
        user.neural_contacts = contacts.iter().filter(|c| c.by.user == id).count() as u32;
        let both = loaded.values().filter(|hands| hands.iter().filter(|(u, _)| *u == id).count() > 1);
        user.both_hands_loaded_s = both.count() as f64 / hz;
        users.insert(session.name(id), user);
    }
    users
}

fn role(session: &Session, id: UserId) -> String {
    session.people.get(&id.0).map_or_else(String::new, |p| p.role.clone())
}

/// Hands whose tool worked on something, by tick.
fn loaded(session: &Session) -> BTreeMap<u32, BTreeSet<(UserId, u8)>> {
    let mut ticks: BTreeMap<u32, BTreeSet<(UserId, u8)>> = BTreeMap::new();
    for sample in &session.samples {
        let inside = sample.nearest.is_some_and(|n| n.distance_um < 0);
        if sample.taken > 0 || inside || (sample.in_bone && sample.load_millinewton >= LOADED_MILLINEWTON) {
            ticks.entry(sample.tick).or_default().insert((sample.by.user, sample.by.hand as u8));
        }
    }
    ticks
}

pub(crate) fn team(session: &Session) -> Team {
    let hz = f64::from(session.tick_hz.max(1));
    let people = |hands: &BTreeSet<(UserId, u8)>| hands.iter().map(|(user, _)| user).collect::<BTreeSet<_>>().len();
    let together = loaded(session).values().filter(|hands| people(hands) > 1).count();
    let mut team = Team { two_people_loaded_s: together as f64 / hz, turns: turns(session), ..Team::default() };
    for directed in &session.directed {
        let what = match &directed.what {
            Direction::Control(Control::Freeze(true)) => "froze all tools".to_owned(),
            Direction::Control(Control::Pause(true)) => "paused the room".to_owned(),
            Direction::Control(Control::Tool { user, given: false }) => {
                format!("took the tools from {}", session.name(UserId(*user)))
            }
            Direction::Control(Control::Tool { given: true, .. }) => {
                team.rights_given += 1;
                continue;
            }
            Direction::Control(Control::Pass { .. }) => {
                team.hand_overs += 1;
                continue;
            }
            Direction::Rewind { to } => {
                team.rewinds += 1;
                format!("went back to {:.1} s", session.seconds(*to))
            }
            Direction::Control(_) => continue,
        };
        let (user, role) = directed.user.map_or_else(Default::default, |user| (session.name(user), role(session, user)));
        team.interventions.push(Intervention { at_tick: directed.tick, user, role, what });
    }
    team
}

/// Times the person who took most in a second was another than in the last second in which anything was taken.
fn turns(session: &Session) -> u32 {
    let mut seconds: BTreeMap<u32, BTreeMap<UserId, i64>> = BTreeMap::new();
    for (tick, event) in &session.events {
        if let Event::Removed { by, occupancy, .. } = event {
            *seconds.entry(*tick / session.tick_hz.max(1)).or_default().entry(by.user).or_default() += occupancy;
        }
    }
    let most = |people: &BTreeMap<UserId, i64>| people.iter().max_by_key(|(_, taken)| **taken).map(|(user, _)| *user);
    let order: Vec<UserId> = seconds.values().filter_map(most).collect();
    order.windows(2).filter(|pair| pair[0] != pair[1]).count() as u32
}
