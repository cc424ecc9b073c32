//! One hand: works through its tasks, trembles, and says what it does as tool inputs.

use std::collections::VecDeque;

use spinor_sim::procedure::Site;
use spinor_sim::{AlarmLevel, Hand as Which, Pose, ToolInput, ToolKind, ToolState, UserId};

use crate::random::{Random, Tremor};
use crate::skill::Habits;
use crate::task::{Astray, Grip, Task};
use crate::turn::turn;
use crate::vector::{V3, add, dot, norm, scale, sub, unit};

/// Seconds in a tick.
const TICK_S: f64 = 1.0 / 60.0;
/// Longest wait at one place of a path, ticks: less than a millimetre a second is no cutting any more, something holds the tool.
const PATIENCE: u32 = 75;
/// Distance to a nerve at which a surgeon who sees it draws a spinning burr back, µm.
const SCARE_UM: i32 = 600;
/// Depth in a nerve at which a closing jaw is opened again, µm.
const PINCH_UM: i32 = -1_700;
/// The same of a grasper, which goes past roots and under none: it does not close while it touches one.
const GRASP_UM: i32 = 0;
/// How far a hand draws back from a nerve, mm, and for how long, ticks.
const RECOIL_MM: f64 = 4.0;
const RECOIL_TICKS: u32 = 24;
/// The same for an alarm that is heard: the pedal is let go, and the tool comes back a little, until the surgeon has looked.
const START_MM: f64 = 0.6;
const START_TICKS: u32 = 20;
/// Ticks after which a hand that has answered an alarm answers one again: what was looked at is gone on with.
const CALM_TICKS: u32 = 60;
/// Speed at which a hand draws back, and comes again, mm/s: slower than what the alarm takes for an approach in haste.
const BACK: [f64; 2] = [60.0, 12.0];

/// What was seen of the tool some ticks ago, and where the hand was then.
#[derive(Clone, Copy, Debug)]
struct Seen {
    hand: V3,
    state: Option<ToolState>,
}

/// A hand of a scripted surgeon.
#[derive(Clone, Debug)]
pub(crate) struct Hand {
    pub(crate) user: UserId,
    which: Which,
    pub(crate) tool: ToolKind,
    pub(crate) size_tenth_mm: u8,
    /// Where the hand means to be, in the site's frame.
    pub(crate) at: V3,
    pub(crate) grip: Grip,
    trigger: u8,
    seq: u32,
    tremor: Tremor,
    tasks: VecDeque<Task>,
    seen: VecDeque<Seen>,
    waited: u32,
    /// How far back along the shaft the hand is from where it means to be, mm; how far it draws back now, and for how many ticks more.
    back: f64,
    recoil_mm: f64,
    recoil: u32,
    /// Whether danger was heard when it looked last, and ticks until it answers again.
    heard: bool,
    calm: u32,
    /// How often it drew back from a nerve.
    pub(crate) scares: u32,
    /// How often it answered an alarm.
    pub(crate) starts: u32,
}

impl Hand {
    pub(crate) fn new(user: UserId, which: Which, at: V3) -> Self {
        Self {
            user,
            which,
            tool: ToolKind::Probe,
            size_tenth_mm: 20,
            at,
            grip: Grip::STRAIGHT,
            trigger: 0,
            seq: 0,
            tremor: Tremor::default(),
            tasks: VecDeque::new(),
            seen: VecDeque::new(),
            waited: 0,
            back: 0.0,
            recoil_mm: 0.0,
            recoil: 0,
            heard: false,
            calm: 0,
            scares: 0,
            starts: 0,
        }
    }

    /// Whether the hand has nothing more to do.
    pub(crate) fn is_idle(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Appends a task.
    pub(crate) fn then(&mut self, task: Task) {
        self.tasks.push_back(task);
    }

    /// Forgets all tasks.
    pub(crate) fn drop_tasks(&mut self) {
        self.tasks.clear();
    }

    /// One tick: sees its tool, moves, and says what it does.
    pub(crate) fn tick(&mut self, site: &Site, habits: &Habits, state: Option<ToolState>, random: &mut Random) -> ToolInput {
        self.seen.push_back(Seen { hand: add(self.at, scale(unit(self.grip.shaft), self.back)), state });
        while self.seen.len() > habits.reaction_ticks.max(1) {
            self.seen.pop_front();
        }
        // Nothing was seen yet of a tool that was just taken up, or since the hand drew back.
        let seen = self.seen.front().copied().filter(|_| self.seen.len() >= habits.reaction_ticks.max(1));
        self.listen(seen);
        if self.recoil > 0 {
            self.recoil -= 1;
            self.trigger = 0;
            self.back = (self.back + BACK[0] * habits.speed * TICK_S).min(self.recoil_mm);
        } else if self.back > 0.0 {
            self.trigger = 0;
            self.back = (self.back - BACK[1] * habits.speed * TICK_S).max(0.0);
        } else {
            self.act(site, habits, seen);
        }
        let tremor = scale(self.tremor.next(random), habits.tremor_mm);
        let tip = add(add(self.at, scale(unit(self.grip.shaft), self.back)), tremor);
        self.seq += 1;
        let pose = Pose {
            tip_um: spinor_sim::pose::um_from_mm(site.patient_from_site(tip)),
            turn: turn(site.turn_out(self.grip.shaft), site.turn_out(self.grip.ahead)),
        };
        let (tool, size_tenth_mm) = (self.tool, self.size_tenth_mm);
        ToolInput { user: self.user, hand: self.which, seq: self.seq, tool, size_tenth_mm, pose, trigger: self.trigger }
    }

    /// Answers an alarm that rose to danger and was heard a reaction ago: lets go and draws back a little.
    fn listen(&mut self, seen: Option<Seen>) {
        self.calm = self.calm.saturating_sub(1);
        let Some(state) = seen.and_then(|seen| seen.state) else { return };
        let heard = state.sounding && state.level == AlarmLevel::Danger;
        // What the own jaw does when it closes is meant, and so is the grasper's way past a root that is held aside.
        let beside = matches!(self.tool, ToolKind::Retractor | ToolKind::Pituitary);
        let meant = beside || matches!(self.tasks.front(), Some(Task::Squeeze { .. }));
        if heard && !self.heard && !meant && self.calm == 0 && self.recoil == 0 {
            (self.recoil, self.recoil_mm, self.calm) = (START_TICKS, START_MM, START_TICKS + CALM_TICKS);
            self.starts += 1;
        }
        self.heard = heard;
    }

    fn act(&mut self, site: &Site, habits: &Habits, seen: Option<Seen>) {
        let Some(task) = self.tasks.pop_front() else {
            self.trigger = 0;
            return;
        };
        let nearest_um = seen.and_then(|s| s.state).and_then(|s| s.nearest).map(|n| n.distance_um);
        match task {
            Task::Take { tool, size_tenth_mm } => {
                (self.tool, self.size_tenth_mm, self.trigger) = (tool, size_tenth_mm, 0);
                self.seen.clear();
            }
            Task::Go { to, grip, speed, trigger } => {
                (self.grip, self.trigger) = (grip, trigger);
                if !self.advance(to, speed * habits.speed * TICK_S) {
                    self.tasks.push_front(Task::Go { to, grip, speed, trigger });
                }
            }
            Task::Rise { back, speed, trigger } => {
                self.trigger = trigger;
                let shaft = unit(self.grip.shaft);
                let by = (back - dot(self.at, shaft)).max(0.0);
                if !self.advance(add(self.at, scale(shaft, by)), speed * habits.speed * TICK_S) {
                    self.tasks.push_front(Task::Rise { back, speed, trigger });
                }
            }
            Task::Follow { path, grip, speed, trigger, lag_mm, mut done } => {
                (self.grip, self.trigger) = (grip, trigger);
                if trigger > 0 && self.tool.is_burr() && nearest_um.is_some_and(|um| um < SCARE_UM) {
                    // Draws back, and leaves out the next few places of the path.
                    (self.recoil, self.recoil_mm, self.scares) = (RECOIL_TICKS, RECOIL_MM, self.scares + 1);
                    self.seen.clear();
                    done += 3;
                } else {
                    let [free, most] = lag_mm;
                    let slow = ((most - self.lag_mm(site, seen)) / (most - free)).clamp(0.0, 1.0);
                    self.waited += 1;
                    if self.waited > PATIENCE {
                        (done, self.waited) = (path.len(), 0);
                    }
                    let mut way = slow * speed * habits.speed * TICK_S;
                    while let Some(next) = path.get(done) {
                        let left = norm(sub(*next, self.at));
                        if left > way {
                            self.advance(*next, way);
                            break;
                        }
                        (self.at, way, done, self.waited) = (*next, way - left, done + 1, 0);
                    }
                }
                if done < path.len() {
                    self.tasks.push_front(Task::Follow { path, grip, speed, trigger, lag_mm, done });
                }
            }
            Task::Squeeze { ticks, astray } => {
                let close = (10.0 / habits.speed) as u32;
                let most = if self.tool == ToolKind::Pituitary { GRASP_UM } else { PINCH_UM };
                let hurts = nearest_um.is_some_and(|um| um < most) && ticks < 6 + close;
                // A tool that did not come to where it was meant to bite is not closed there; a grasper takes hold of what stopped it.
                let looks = (5..6 + close).contains(&ticks) && self.tool != ToolKind::Pituitary;
                let caught = looks && seen.and_then(|seen| seen.state).is_some_and(|state| is_astray(site, &state, &astray));
                self.trigger = match ticks {
                    0..6 => 0,
                    n if n < 6 + close => (255 * (n - 5) / close).min(255) as u8,
                    n if n < 11 + close => 255,
                    _ => 0,
                };
                if caught {
                    self.trigger = 0;
                } else if hurts {
                    (self.trigger, self.scares) = (0, self.scares + 1);
                } else if ticks < 17 + close {
                    self.tasks.push_front(Task::Squeeze { ticks: ticks + 1, astray });
                }
            }
            Task::Hold { ticks, trigger } => {
                self.trigger = trigger;
                if ticks > 1 {
                    self.tasks.push_front(Task::Hold { ticks: ticks - 1, trigger });
                }
            }
        }
    }

    /// Moves towards a place; whether it is reached.
    fn advance(&mut self, to: V3, way: f64) -> bool {
        let left = sub(to, self.at);
        let length = norm(left);
        if length <= way {
            self.at = to;
            return true;
        }
        self.at = add(self.at, scale(left, way / length));
        false
    }

    /// How far the tool was seen to lag behind the hand, mm.
    fn lag_mm(&self, site: &Site, seen: Option<Seen>) -> f64 {
        seen.and_then(|seen| seen.state.map(|state| norm(sub(site.site_from_patient(state.proxy.tip_mm()), seen.hand))))
            .unwrap_or(0.0)
    }
}

/// Whether something holds a tool farther off its own input than a jaw may be. The hand's tremor, which takes the tool along, is no part of it.
fn is_astray(site: &Site, state: &ToolState, astray: &Astray) -> bool {
    let at = |pose: &Pose| site.site_from_patient(pose.tip_mm());
    let by = sub(at(&state.proxy), at(&state.input.pose));
    norm(by) > astray.most_mm || -dot(by, astray.off) > astray.towards_mm
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use spinor_sim::{Settings, Simulation, Tick, small_spine};

    use super::*;
    use crate::skill::Skill;

    /// A jaw that bone holds 0.7 mm off its place closes where that may be, and not where 0.3 mm towards a nerve are too
    /// much, or where it is too far from its place altogether; one that nothing holds closes however the hand trembles.
    #[test]
    fn a_jaw_that_is_held_off_its_place_stays_open() {
        let patient = Arc::new(small_spine::patient(0.8).unwrap());
        let site = Site::find(&patient, 4).unwrap();
        let fields = spinor_sim::NeuralFields::build(&patient, &Settings::default());
        let (left, up) = (6.0, 12.0);
        let back = small_spine::LAMINA_DEEP_MM + small_spine::LAMINA_THICK_MM - small_spine::CANAL_Y_MM;
        // A footplate of 1.4 mm lies on the lamina's back.
        let squeezed = |off_mm: f64, off: V3, towards_mm: f64, skill: Skill| {
            let mut simulation = Simulation::with_fields(Arc::clone(&patient), Arc::clone(&fields), Settings::default());
            let user = UserId(1);
            let mut hand = Hand::new(user, Which::Right, [left, back + 20.0, up]);
            hand.then(Task::Take { tool: ToolKind::Kerrison, size_tenth_mm: 30 });
            let to = [left, back + 1.4 + off_mm, up];
            hand.then(Task::Go { to, grip: Grip::STRAIGHT, speed: 18.0, trigger: 0 });
            hand.then(Task::Hold { ticks: 6, trigger: 0 });
            hand.then(Task::Squeeze { ticks: 0, astray: Astray { off, towards_mm, most_mm: 1.5 } });
            let (mut random, mut most, mut tick) = (Random::new(1), 0, 0);
            while !hand.is_idle() && tick < 600 {
                tick += 1;
                let state = simulation.tool(user, Which::Right).copied();
                let input = hand.tick(&site, &skill.habits(), state, &mut random);
                simulation.step(Tick(tick), &[input]);
                most = most.max(input.trigger);
            }
            assert!(hand.is_idle());
            most
        };
        let (behind, before) = ([0.0, -1.0, 0.0], [0.0, 1.0, 0.0]);
        assert_eq!(squeezed(-0.7, behind, 1.5, Skill::Steady), 255);
        assert_eq!(squeezed(-0.7, behind, 0.3, Skill::Steady), 0);
        // Held off a nerve, and not towards it.
        assert_eq!(squeezed(-0.7, before, 0.3, Skill::Steady), 255);
        assert_eq!(squeezed(-1.9, before, 0.3, Skill::Steady), 0);
        assert_eq!(squeezed(8.0, behind, 0.1, Skill::Careless), 255);
    }
}
