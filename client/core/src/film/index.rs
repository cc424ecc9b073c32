//! What is where in a recording.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use spinor_shared::session::{Record, SessionError, SessionReader};
use spinor_shared::wire::{WireEvent, WireEventKind};
use spinor_sim::{AlarmLevel, Standing, TissueOutput};
use spinor_volume::Label;
use spinor_volume::cut::Stamp;

use super::seats::Seats;

/// Most people of a recording.
const MOST_PEOPLE: usize = 1_000;
/// Most places that are kept; of more, every second one is forgotten.
const MOST_STOPS: usize = 1_024;

/// A moment that somebody will want to see again: an alarm rose to danger, or a neural structure was touched or pinched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The tick.
    pub tick: u32,
    /// Whose tool.
    pub user: u32,
    /// What came near it, or was touched.
    pub structure: Label,
    /// What happened, in a word or two.
    pub what: &'static str,
}

/// A place that a film can go to at once: a keyframe.
#[derive(Clone, Debug)]
pub(super) struct Stop {
    /// The tick after which it holds.
    pub(super) tick: u32,
    /// Where its record starts.
    pub(super) at: u64,
    /// Who sat where.
    pub(super) seats: Seats,
    /// Fragments, tears and veil.
    pub(super) standing: Standing,
}

/// What tissues did in the ticks that count.
#[derive(Default)]
struct Tissues {
    outputs: Vec<(u32, TissueOutput)>,
    standing: Standing,
}

impl Tissues {
    /// Takes in one record.
    fn take(&mut self, record: &Record) -> Result<(), SessionError> {
        match record {
            Record::Tissue(tissue) => {
                let mut output = tissue.open()?;
                // Neither where nodes were in every tick nor what left the cut fields is asked of an index: it would fill the memory.
                output.nodes.clear();
                for piece in &mut output.detached {
                    piece.stamp = Arc::new(Stamp { class: piece.stamp.class, bricks: Vec::new() });
                }
                self.standing.take(&output);
                self.outputs.push((tissue.tick, output));
            }
            Record::Epoch { from_tick, .. } if self.outputs.last().is_some_and(|(tick, _)| tick > from_tick) => {
                self.outputs.retain(|(tick, _)| tick <= from_tick);
                self.standing = Standing::default();
                self.outputs.iter().for_each(|(_, output)| self.standing.take(output));
            }
            _ => {}
        }
        Ok(())
    }
}

/// What is where.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    stops: Vec<Stop>,
    moments: Vec<Moment>,
    /// The last tick of any record.
    pub(super) end: u32,
    /// Everybody's name.
    pub(super) cast: BTreeMap<u32, String>,
}

impl Index {
    /// Reads a recording from its start to its end.
    pub(super) fn build<R: Read>(reader: &mut SessionReader<R>) -> Result<Self, SessionError> {
        let mut index = Self::default();
        let (mut seats, mut tissues) = (Seats::default(), Tissues::default());
        loop {
            let at = reader.at();
            let Some(record) = reader.next_record()? else { return Ok(index) };
            index.end = index.end.max(record.tick().unwrap_or(0));
            seats.take(&record);
            tissues.take(&record)?;
            if seats.people.len() > MOST_PEOPLE {
                let reason = format!("more than {MOST_PEOPLE} people come in");
                return Err(SessionError::Damaged { at, reason });
            }
            match &record {
                Record::Keyframe(keyframe) => {
                    let mut seats = seats.clone();
                    seats.tell_alarm_again();
                    index.stops.push(Stop { tick: keyframe.tick, at, seats, standing: tissues.standing.clone() });
                    if index.stops.len() > MOST_STOPS {
                        let mut keep = false;
                        index.stops.retain(|_| {
                            keep = !keep;
                            keep
                        });
                    }
                }
                Record::Joined { user, name, .. } => {
                    index.cast.entry(*user).or_insert_with(|| name.clone());
                }
                Record::Tick(tick) => {
                    index.moments.extend(tick.events.iter().filter_map(|event| moment(tick.tick, event)));
                }
                _ => {}
            }
        }
    }

    /// The last keyframe that holds at the end of `tick` or before.
    pub(super) fn stop_before(&self, tick: u32) -> Option<&Stop> {
        let count = self.stops.partition_point(|stop| stop.tick <= tick);
        count.checked_sub(1).and_then(|n| self.stops.get(n))
    }

    pub(super) fn moment(&self, tick: u32, forward: bool) -> Option<&Moment> {
        if forward {
            self.moments.iter().find(|moment| moment.tick > tick)
        } else {
            self.moments.iter().rev().find(|moment| moment.tick < tick)
        }
    }
}

fn moment(tick: u32, event: &WireEvent) -> Option<Moment> {
    let (structure, what) = match event.kind {
        WireEventKind::Alarm { was, structure, level, .. } if level == AlarmLevel::Danger as u8 && was < level => {
            (structure, "danger")
        }
        WireEventKind::NeuralTouch { structure, active: true, .. } => (structure, "touched by a running tool"),
        WireEventKind::NeuralPinch { structure, .. } => (structure, "pinched"),
        _ => return None,
    };
    Some(Moment { tick, user: event.user, structure: Label(structure), what })
}
