//! The operation at a glance: phases, alarms, contacts and what each tool did, above the plots on the same axis.

use std::collections::BTreeMap;

use maud::{Markup, html};
use spinor_sim::{AlarmLevel, Hand, UserId};

use super::{LEFT, RIGHT, WIDTH, clock, n, seconds_axis, svg, x_of};
use crate::gather::Session;
use crate::metrics::Metrics;
use crate::phases::Activity;

const ROW: f64 = 20.0;
const BAR: f64 = 14.0;

/// Colour of an activity.
pub(crate) fn activity_colour(activity: Activity) -> &'static str {
    match activity {
        Activity::Approach => "#cfd8e6",
        Activity::BoneRemoval => "#c8a468",
        Activity::Undercutting => "#8f6a34",
        Activity::Flavum => "#e39b3b",
        Activity::Disc => "#5fa59d",
        Activity::Probing => "#7a9ed6",
        Activity::Handling => "#e4e4e4",
        Activity::Idle => "#f5f5f5",
    }
}

/// Marks and bars of one row.
struct Row {
    name: String,
    bars: Vec<(f64, f64, &'static str, String)>,
    marks: Vec<(f64, &'static str, String)>,
}

/// Phases, danger alarms, contacts, and every hand's tool.
pub(crate) fn timeline(session: &Session, metrics: &Metrics) -> Markup {
    let seconds = session.duration_s();
    let mut rows = vec![phases(metrics), alarms(session), contacts(metrics)];
    rows.extend(tools(session));
    if !metrics.team.interventions.is_empty() {
        let mark = |i: &crate::metrics::Intervention| (session.seconds(i.at_tick), "#5b3a8c", format!("{} {}", i.user, i.what));
        rows.push(Row {
            name: "directed".into(),
            bars: Vec::new(),
            marks: metrics.team.interventions.iter().map(mark).collect(),
        });
    }
    if !session.stalls.is_empty() {
        let hz = f64::from(session.tick_hz.max(1));
        let mark = |s: &crate::gather::Stall| {
            (session.seconds(s.tick), "#444", format!("the server stood still for {:.2} s", s.ticks / hz))
        };
        rows.push(Row { name: "server".into(), bars: Vec::new(), marks: session.stalls.iter().map(mark).collect() });
    }
    let height = ROW * rows.len() as f64 + 22.0;
    svg(
        "Timeline of phases, alarms, contacts and tools",
        height,
        html! {
            @for (k, row) in rows.iter().enumerate() {
                @let y = k as f64 * ROW + 3.0;
                text x="0" y=(n(y + BAR - 3.0)) { (row.name) }
                rect x=(LEFT) y=(n(y)) width=(n(WIDTH - LEFT - RIGHT)) height=(BAR) fill="#fafafa" stroke="#e3e3e3" stroke-width="0.5" {}
                @for (from, to, colour, text) in &row.bars {
                    @let (a, b) = (x_of(*from, seconds), x_of(*to, seconds));
                    rect x=(n(a)) y=(n(y)) width=(n((b - a).max(1.2))) height=(BAR) fill=(colour) { title { (text) } }
                }
                @for (at, colour, text) in row.marks.iter().take(2_000) {
                    @let x = x_of(*at, seconds);
                    path d=(format!("M{} {} l4 7 l-4 7 l-4 -7 z", n(x), n(y))) fill=(colour) { title { (text) } }
                }
            }
            (seconds_axis(seconds, height - 6.0))
        },
    )
}

fn phases(metrics: &Metrics) -> Row {
    let bar = |p: &crate::phases::Phase| {
        let level = p.level.as_ref().map(|l| format!(" at {l}")).unwrap_or_default();
        let text = format!("{}{level}, from {} for {:.0} s", p.activity.word(), clock(p.start_s), p.seconds);
        (p.start_s, p.start_s + p.seconds, activity_colour(p.activity), text)
    };
    Row { name: "phase".into(), bars: metrics.phases.iter().map(bar).collect(), marks: Vec::new() }
}

/// Runs of ticks in which any tool was at a level.
fn alarms(session: &Session) -> Row {
    let mut worst: BTreeMap<u32, AlarmLevel> = BTreeMap::new();
    for sample in session.samples.iter().filter(|s| s.level > AlarmLevel::Clear) {
        let level = worst.entry(sample.tick).or_default();
        *level = (*level).max(sample.level);
    }
    let mut bars: Vec<(u32, u32, AlarmLevel)> = Vec::new();
    for (tick, level) in worst {
        match bars.last_mut() {
            Some((_, to, same)) if *same == level && tick <= *to + 15 => *to = tick,
            _ => bars.push((tick, tick, level)),
        }
    }
    let bar = |(from, to, level): (u32, u32, AlarmLevel)| {
        let colour = if level == AlarmLevel::Danger { "#d4374c" } else { "#f0b64c" };
        let (from, to) = (session.seconds(from), session.seconds(to + 1));
        (from, to, colour, format!("{} from {} for {:.1} s", level.word(), clock(from), to - from))
    };
    Row { name: "alarm".into(), bars: bars.into_iter().map(bar).collect(), marks: Vec::new() }
}

fn contacts(metrics: &Metrics) -> Row {
    let contacts = &metrics.safety.contacts;
    let text = |c: &crate::metrics::Contact| {
        let structure = crate::report::told(metrics, &c.structure);
        format!("{}: {structure} by {}, {:.2} mm deep, {:.2} s", clock(c.start_s), c.tool, c.deepest_mm, c.seconds)
    };
    let colour = |active: bool| if active { "#b00020" } else { "#6d4c8f" };
    let bars = contacts.iter().map(|c| (c.start_s, c.start_s + c.seconds, colour(c.active), text(c))).collect();
    Row { name: "contacts".into(), bars, marks: Vec::new() }
}

/// A person's name, short enough to stand before a row.
fn brief(session: &Session, user: UserId) -> String {
    let name = session.people.get(&user.0).map_or_else(|| format!("#{}", user.0), |p| p.name.clone());
    if name.chars().count() > 11 { name.chars().take(10).chain(['…']).collect() } else { name }
}

/// One row a hand: pale while its tool is held, strong while it runs, dark while it takes tissue.
fn tools(session: &Session) -> Vec<Row> {
    /// What a hand does, for its colour.
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Doing {
        Holding,
        Running,
        Taking,
    }
    /// First tick, last tick, what was done, with which tool.
    type Run = (u32, u32, Doing, &'static str);
    let mut hands: BTreeMap<(UserId, Hand), Vec<Run>> = BTreeMap::new();
    for sample in &session.samples {
        let doing = match (sample.taken > 0, sample.active) {
            (true, _) => Doing::Taking,
            (false, true) => Doing::Running,
            _ => Doing::Holding,
        };
        let runs = hands.entry((sample.by.user, sample.by.hand)).or_default();
        let tool = sample.by.tool.word();
        match runs.last_mut() {
            Some((_, to, same, which)) if *same == doing && *which == tool && sample.tick <= *to + 6 => *to = sample.tick,
            // A burr that takes every other tick takes all the time, as far as a picture can show.
            Some((_, to, Doing::Taking, which)) if *which == tool && doing == Doing::Running && sample.tick <= *to + 3 => {}
            _ => runs.push((sample.tick, sample.tick, doing, tool)),
        }
    }
    let row = |((user, hand), runs): ((UserId, Hand), Vec<Run>)| {
        let bar = |(from, to, doing, tool): Run| {
            let (colour, word) = match doing {
                Doing::Holding => ("#dfe6ef", "held"),
                Doing::Running => ("#9db4d3", "running"),
                Doing::Taking => ("#2f5d95", "taking tissue"),
            };
            let (from, to) = (session.seconds(from), session.seconds(to + 1));
            (from, to, colour, format!("{tool} {word}, {} to {}", clock(from), clock(to)))
        };
        let side = if hand == Hand::Left { "left" } else { "right" };
        Row { name: format!("{} {side}", brief(session, user)), bars: runs.into_iter().map(bar).collect(), marks: Vec::new() }
    };
    hands.into_iter().map(row).collect()
}
