//! Who sits where at a moment of a recording, how the room is set, and what people have drawn.

use std::collections::BTreeMap;
use std::sync::Arc;

use spinor_shared::mark::Mark;
use spinor_shared::room::Role;
use spinor_shared::session::{Control, HeadPose, Record};
use spinor_shared::wire::WirePose;
use spinor_sim::{Pose, Settings, TissueModels};

use crate::poses::pose_between;

/// Ticks over which a head goes from one recorded place to the next: as often as heads are recorded.
const HEADS_EVERY: f64 = 6.0;

/// Most lines of one person that are kept.
pub const MOST_LINES: usize = 40;

/// What one person has drawn and not taken away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drawing {
    /// Lines in patient LPS, micrometres, the newest [`MOST_LINES`] of them.
    pub lines: Vec<Vec<[i32; 3]>>,
    /// What the person pointed at last, patient LPS in micrometres, and at which tick.
    pub pointer: Option<(u32, [i32; 3])>,
}

/// A person in a recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Seat {
    /// The name on the invitation.
    pub name: String,
    /// The role on the invitation.
    pub role: Role,
    /// Whether the person may operate.
    pub has_tool: bool,
    /// Whether the person is connected.
    pub online: bool,
    /// The place before the newest, and the newest with its tick.
    heads: Option<(WirePose, u32, WirePose)>,
}

impl Seat {
    /// Where the head is at a moment (ticks), in patient LPS; none before the first was recorded.
    ///
    /// Heads are recorded ten times a second: they are shown a tenth of a second late and between two records on a straight line.
    pub fn head(&self, at: f64) -> Option<Pose> {
        let (before, tick, newest) = self.heads?;
        let share = ((at - f64::from(tick)) / HEADS_EVERY).clamp(0.0, 1.0);
        Some(pose_between(&before, &newest, share).into())
    }
}

/// Everybody, and what an attending set.
#[derive(Clone, Debug, PartialEq)]
pub struct Seats {
    /// By the person's number. Shared between places with the same people.
    pub people: Arc<BTreeMap<u32, Seat>>,
    /// All tools are frozen.
    pub frozen: bool,
    /// Time stands still.
    pub paused: bool,
    /// Alarm thresholds, micrometres: caution, danger.
    pub alarm_um: [u32; 2],
    /// Which models tissues follow.
    pub(super) tissues: TissueModels,
    alarm_told: [u32; 2],
    /// By the person's number. Shared between the places that a film can go to, which differ little.
    drawings: Arc<BTreeMap<u32, Drawing>>,
}

impl Default for Seats {
    fn default() -> Self {
        let settings = Settings::default();
        let alarm_um = [settings.caution_mm, settings.danger_mm].map(|mm| (mm * 1e3).round() as u32);
        let (tissues, drawings) = (TissueModels::STILL, Arc::default());
        Self { people: Arc::default(), frozen: false, paused: false, alarm_um, tissues, alarm_told: alarm_um, drawings }
    }
}

impl Seats {
    /// Takes in a record. Returns what somebody had written down with it.
    pub(super) fn take(&mut self, record: &Record) -> Option<(u32, String)> {
        match record {
            Record::Joined { user, name, role, .. } => {
                let seat = self.people_mut().entry(*user).or_insert_with(|| Seat {
                    name: name.clone(),
                    role: *role,
                    has_tool: role.may_operate(),
                    online: true,
                    heads: None,
                });
                seat.online = true;
            }
            Record::Left { user, .. } => {
                if let Some(seat) = self.people_mut().get_mut(user) {
                    (seat.online, seat.heads) = (false, None);
                }
            }
            Record::TissueModels { answers, yields, .. } => {
                self.tissues = TissueModels { answers: *answers, yields: *yields };
            }
            // A resumed or branched session goes on from where it ended, with nobody connected; after a rewind everybody still is.
            Record::Epoch { tick, from_tick, .. } if tick == from_tick => {
                self.people_mut().values_mut().for_each(|seat| (seat.online, seat.heads) = (false, None));
                self.paused = false;
            }
            Record::Heads { tick, heads } => heads.iter().for_each(|head| self.turn_head(*tick, head)),
            Record::Control { user, control, .. } => return self.direct(*user, control),
            Record::Said { tick, user, mark } if mark.is_fine() => return self.say(*tick, *user, mark),
            _ => {}
        }
        None
    }

    /// What people have drawn, by the person's number.
    pub fn drawings(&self) -> &BTreeMap<u32, Drawing> {
        &self.drawings
    }

    fn say(&mut self, tick: u32, user: u32, mark: &Mark) -> Option<(u32, String)> {
        match mark {
            Mark::Text(words) => return Some((user, words.clone())),
            Mark::Clear => {
                Arc::make_mut(&mut self.drawings).remove(&user);
            }
            Mark::Line(points) => {
                let drawing = Arc::make_mut(&mut self.drawings).entry(user).or_default();
                if let [point] = points.as_slice() {
                    drawing.pointer = Some((tick, *point));
                } else {
                    drawing.lines.push(points.clone());
                    if drawing.lines.len() > MOST_LINES {
                        drawing.lines.remove(0);
                    }
                }
            }
        }
        None
    }

    fn people_mut(&mut self) -> &mut BTreeMap<u32, Seat> {
        Arc::make_mut(&mut self.people)
    }

    fn turn_head(&mut self, tick: u32, head: &HeadPose) {
        let Some(seat) = self.people_mut().get_mut(&head.user) else { return };
        let newest = WirePose { tip_um: head.at_um, turn: head.turn };
        let before = seat.heads.map_or(newest, |(_, _, newest)| newest);
        seat.heads = Some((before, tick, newest));
    }

    fn direct(&mut self, by: u32, control: &Control) -> Option<(u32, String)> {
        match control {
            Control::Freeze(on) => self.frozen = *on,
            Control::Pause(on) => self.paused = *on,
            Control::Tool { user, given } => {
                if let Some(seat) = self.people_mut().get_mut(user) {
                    seat.has_tool = *given;
                }
            }
            Control::Alarm { caution_um, danger_um } => self.alarm_um = [*caution_um, *danger_um],
            // Who is handed a tool may operate with it.
            Control::Pass { to, .. } => {
                if let Some(seat) = self.people_mut().get_mut(to) {
                    seat.has_tool = true;
                }
            }
            Control::Note(words) => return Some((by, words.clone())),
        }
        None
    }

    /// The thresholds, if they are others than when this was asked last.
    pub(super) fn alarm_changed(&mut self) -> Option<[u32; 2]> {
        (std::mem::replace(&mut self.alarm_told, self.alarm_um) != self.alarm_um).then_some(self.alarm_um)
    }

    /// Forgets that anybody was told the thresholds.
    pub(super) fn tell_alarm_again(&mut self) {
        self.alarm_told = [u32::MAX; 2];
    }
}
