//! What hands do in the measurement, tick by tick: scripted, so that every build does the same work.

use spinor_sim::{Hand, Pose, ToolInput, ToolKind, UserId};

use crate::patient::TOP_MM;

/// Shaft pointing back out of the patient; a footplate points down the spine.
const FROM_BEHIND: [i16; 4] = [-23_170, 0, 0, 23_170];
/// The same with a footplate that points up the spine, and with one that leans forward by 40° and so lies flat.
const UP: [i16; 4] = [0, 23_170, 23_170, 0];
const LEANING_UP: [i16; 4] = [0, 29_697, 13_848, 0];
/// The same as [`FROM_BEHIND`], turned about the shaft by 90°: a rongeur's jaws on both sides of a spinous process, a curette's neck across
/// the spine.
const ASTRIDE: [i16; 4] = [-16_384, 16_384, 16_384, 16_384];
/// Ticks from squeeze to squeeze, and for how many of these a trigger is held.
const SQUEEZE: u32 = 60;
const HELD: u32 = 45;

/// From −1 to 1 and back in a period.
fn saw(tick: f64, period: f64) -> f64 {
    ((tick / period).fract() * 2.0 - 1.0).abs() * 2.0 - 1.0
}

fn input(n: u32, tool: ToolKind, tick: u32, tip: [f64; 3], turn: [i16; 4]) -> ToolInput {
    let tip_um = tip.map(|v| (v * 1_000.0) as i32);
    let trigger = if tick % SQUEEZE < HELD { 230 } else { 0 };
    let hand = if n.is_multiple_of(2) { Hand::Left } else { Hand::Right };
    ToolInput { user: UserId(n / 2), hand, seq: tick, tool, size_tenth_mm: 35, pose: Pose { tip_um, turn }, trigger }
}

/// A hand that presses on the lamina, moving at up to 80 mm/s and turning by up to 1.5 rad/s: every tool in bone all the time, few of them
/// where they can take anything.
pub(crate) fn pressed(n: u32, tool: ToolKind, tick: u32) -> ToolInput {
    let t = f64::from(tick);
    let phase = f64::from(n) * 17.0;
    let saw = |period: f64| saw(t + phase, period);
    let x = 5.0 + f64::from(n % 4) * 3.5 + 2.0 * saw(24.0);
    let y = TOP_MM + 1.0 + 1.2 * saw(70.0) - 0.004 * t;
    let z = f64::from(n / 4) * 5.0 - 3.0 + 3.0 * saw(31.0);
    let turn = [-23_170, (3_000.0 * saw(80.0)) as i16, (2_500.0 * saw(55.0)) as i16, 23_170];
    input(n, tool, tick, [x, y, z], turn)
}

/// A hand that presses on the sac, or draws the root aside, through the window: up to 3 mm deep, moving at up to 20 mm/s.
fn pressing(n: u32, tool: ToolKind, tick: u32) -> ToolInput {
    let t = f64::from(tick);
    let phase = f64::from(n) * 17.0;
    let saw = |period: f64| saw(t + phase, period);
    let (x, y) = if tool == ToolKind::Retractor { (10.0 - 1.5 * saw(240.0), -1.0) } else { (1.0, 6.0) };
    let z = f64::from(n) * 2.0 - 16.0 + 2.0 * saw(131.0);
    ToolInput { size_tenth_mm: 30, ..input(n, tool, tick, [x + saw(97.0), y + 1.5 * saw(200.0), z], FROM_BEHIND) }
}

/// From place to place, one a squeeze: still while the jaw closes, then back by `out`, across, and to the next.
fn bites(tick: u32, place: impl Fn(u32) -> [f64; 3], out: [f64; 3]) -> [f64; 3] {
    let (bite, phase) = (tick / SQUEEZE, f64::from(tick % SQUEEZE));
    let (here, next) = (place(bite), place(bite + 1));
    let back = ((phase - 15.0) / 15.0).clamp(0.0, 1.0) - ((phase - 45.0) / 15.0).clamp(0.0, 1.0);
    let across = ((phase - 30.0) / 15.0).clamp(0.0, 1.0);
    std::array::from_fn(|k| here[k] + (next[k] - here[k]) * across + out[k] * back)
}

/// A hand that does what its tool is for, in the opened patient.
pub(crate) fn at_work(n: u32, tool: ToolKind, tick: u32) -> ToolInput {
    let t = f64::from(tick);
    match tool {
        // On the side of the lamina that is whole.
        ToolKind::FlutedBurr | ToolKind::DiamondBurr => {
            let on_bone = pressed(n, tool, tick);
            let [x, y, z] = pressed(0, tool, tick + 17 * n).pose.tip_mm();
            let aside = if tool == ToolKind::DiamondBurr { 6.5 } else { 11.0 };
            // Its own way down, whatever its number.
            let y = y + 0.004 * f64::from(17 * n);
            let pose = Pose { tip_um: [-x - aside, y, z].map(|v| (v * 1_000.0) as i32), ..on_bone.pose };
            ToolInput { pose, ..on_bone }
        }
        // Straight in, one blow beside the other.
        ToolKind::Osteotome => {
            let place = |bite: u32| [-13.0, TOP_MM - 0.3, 8.0 - 1.8 * f64::from(bite)];
            input(n, tool, tick, bites(tick, place, [0.0, 6.0, 0.0]), FROM_BEHIND)
        }
        // Along the thinned edge, four beside each other, then the next row.
        ToolKind::Kerrison | ToolKind::Kerrison40 => {
            let place = |bite: u32| [6.0 + 3.0 * f64::from(bite % 4), TOP_MM - 6.15, 1.2 + 2.0 * f64::from(bite / 4)];
            let turn = if tool == ToolKind::Kerrison { UP } else { LEANING_UP };
            ToolInput { size_tenth_mm: 30, ..input(n, tool, tick, bites(tick, place, [0.0, 0.0, -3.0]), turn) }
        }
        // Along the spinous process above, then deeper.
        ToolKind::Leksell => {
            let place = |bite: u32| [0.0, TOP_MM + 14.2 - 6.0 * f64::from(bite / 5), 18.5 + 3.0 * f64::from(bite % 5)];
            input(n, tool, tick, bites(tick, place, [0.0, 2.0, 0.0]), ASTRIDE)
        }
        // Beside the root, deeper and deeper.
        ToolKind::Pituitary => {
            let place = |bite: u32| [15.4, -7.8 - 0.8 * f64::from(bite), -12.0 + 1.5 * f64::from(bite % 2)];
            input(n, tool, tick, bites(tick, place, [0.0, 3.0, 0.0]), FROM_BEHIND)
        }
        // Strokes along the lamina's lower edge, on the flavum that is left there.
        ToolKind::Curette | ToolKind::AngledCurette => {
            let turn = if tool == ToolKind::Curette { FROM_BEHIND } else { ASTRIDE };
            let tip = [-8.6 - 1.2 * saw(t, 300.0), TOP_MM - 6.6 - 0.002 * t, -12.0 + saw(t, 40.0)];
            input(n, tool, tick, tip, turn)
        }
        ToolKind::Probe | ToolKind::Suction | ToolKind::Penfield | ToolKind::Retractor | ToolKind::Irrigation => {
            pressing(n, tool, tick)
        }
    }
}
