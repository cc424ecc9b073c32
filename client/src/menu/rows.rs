//! What stands on the pages of the menu.

use bevy::prelude::*;
use spinor_sim::ToolKind;
use spinor_sim::procedure::{Procedure, StepStatus};
use spinor_sim::settings::LEAST_DANGER_MM;
use spinor_volume::{Label, Source, TissueClass};

use super::Page;
use crate::guide::{Course, Guide, levels, measured_rows, procedure_word};
use crate::hud::words::spoken;
use crate::may::refusal;
use crate::rack::Rack;
use crate::room::Room;
use crate::scene::looks::{Look, Looks};
use crate::slices::Slices;
use crate::wish::{Target, Wish};

/// A step of the alarm's thresholds, mm.
const ALARM_STEP_MM: f32 = 0.5;
/// The widest thresholds that the menu sets, mm.
const ALARM_MOST_MM: f32 = 10.0;

/// A row.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Row {
    /// What it is.
    pub(crate) words: String,
    /// How it stands.
    pub(crate) value: String,
    /// The key that does the same.
    pub(crate) key: &'static str,
    /// What picking it asks for; none for one that only says something.
    pub(crate) wish: Option<Wish>,
    /// Why it cannot be picked now.
    pub(crate) refused: Option<String>,
    /// Whether it is in force now.
    pub(crate) on: bool,
}

/// A structure, as far as the menu is concerned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Part {
    pub(super) label: Label,
    pub(super) class: TissueClass,
    pub(super) source: Source,
}

/// All that pages tell about.
pub(super) struct About<'a> {
    pub(super) room: &'a Room,
    pub(super) rack: &'a Rack,
    pub(super) looks: &'a Looks,
    pub(super) slices: &'a Slices,
    pub(super) guide: &'a Guide,
    pub(super) parts: &'a [Part],
    pub(super) has_mr: bool,
}

impl About<'_> {
    /// A row that asks for something, grey where it may not be asked for.
    fn ask(&self, words: impl Into<String>, value: impl Into<String>, key: &'static str, wish: Wish) -> Row {
        let refused = refusal(&wish, self.room);
        Row { words: words.into(), value: value.into(), key, wish: Some(wish), refused, on: false }
    }
}

/// A row that only says something.
fn say(words: impl Into<String>) -> Row {
    Row { words: words.into(), ..Row::default() }
}

/// The rows of a page.
pub(super) fn rows(page: Page, about: &About<'_>) -> Vec<Row> {
    match page {
        Page::Tools => tools(about),
        Page::Room => room(about),
        Page::Procedure => procedure(about),
        Page::Measures => measures(about),
        Page::Alarm => alarm(about),
        Page::Structures => structures(about),
        Page::Picture => picture(about),
        Page::Case => case(about),
        Page::Film => film(about),
    }
}

/// The key that takes a tool.
pub(crate) fn tool_key(kind: ToolKind) -> &'static str {
    const KEYS: [&str; 14] = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "Shift+1", "Shift+2", "Shift+3", "Shift+4", "Shift+5"];
    KEYS.get(kind as usize).copied().unwrap_or("")
}

fn tools(about: &About<'_>) -> Vec<Row> {
    let hand = about.rack.active;
    let held = about.rack.held(hand).map(|(kind, _)| kind);
    let word = if hand == spinor_sim::Hand::Left { "left hand" } else { "right hand" };
    let mut rows = vec![about.ask(word, "other hand", "X", Wish::OtherHand)];
    rows.extend(ToolKind::ALL.map(|kind| {
        let size = format!("{:.1} mm", f32::from(about.rack.size(kind)) / 10.0);
        let row = about.ask(kind.word(), size, tool_key(kind), Wish::Take(hand, kind));
        Row { on: held == Some(kind), ..row }
    }));
    rows.push(about.ask("larger", "", "=", Wish::Resize(hand, 1)));
    rows.push(about.ask("smaller", "", "-", Wish::Resize(hand, -1)));
    rows.push(about.ask("put it away", "", "0", Wish::PutAway(hand)));
    rows
}

fn room(about: &About<'_>) -> Vec<Row> {
    let on_off = |on: bool| if on { "on" } else { "off" };
    let mut rows = vec![
        Row { on: about.room.frozen, ..about.ask("freeze all tools", on_off(about.room.frozen), "Space", Wish::Freeze) },
        Row { on: about.room.paused, ..about.ask("pause the room", on_off(about.room.paused), "P", Wish::Pause) },
    ];
    for person in about.room.people.values() {
        let wish = Wish::Right { user: person.user, give: !person.has_tool };
        let value = if person.has_tool { "operates: take" } else { "give the tool" };
        rows.push(Row { on: person.has_tool, ..about.ask(format!("{}  {}", person.name, person.role), value, "", wish) });
    }
    let hand = about.rack.active;
    for person in about.room.people.values().filter(|p| Some(p.user) != about.room.me && p.role.may_operate()) {
        let words = format!("hand my tool to {}", person.name);
        rows.push(about.ask(words, "", "", Wish::Pass { hand, to: person.user }));
    }
    rows.push(about.ask("back to 10 s before the last change", "", "", Wish::GoBack(10)));
    rows.push(about.ask("back to 60 s before the last change", "", "", Wish::GoBack(60)));
    rows.push(about.ask("take my drawings away", "", "Del", Wish::ClearMarks));
    rows.push(say("Enter writes to everybody. There is no voice: use a telephone."));
    rows
}

fn procedure(about: &About<'_>) -> Vec<Row> {
    let mut rows = Vec::new();
    if let Some(followed) = &about.room.procedure {
        rows.push(say(followed.title()));
        match &followed.course {
            Course::Looking => rows.push(say("looking for its place")),
            Course::Impossible(why) => rows.push(say(format!("! cannot be followed: {why}"))),
            Course::Steps(steps, errors) => {
                let current = steps.iter().position(|(_, status)| status.is_open());
                rows.extend(steps.iter().enumerate().map(|(k, (step, status))| Row {
                    value: step_word(*status, current == Some(k)).to_owned(),
                    on: status.is_done(),
                    ..say(format!("{}  {}", k + 1, step.title))
                }));
                rows.extend(errors.iter().map(|error| say(format!("! {error}"))));
            }
        }
        let shown = if about.guide.shown { "on" } else { "off" };
        rows.push(Row { on: about.guide.shown, ..about.ask("guidance", shown, "J", Wish::Guidance) });
    }
    rows.push(about.ask("level of the next procedure", format!("L{}", about.guide.level), "", Wish::NextLevel));
    rows.push(about.ask("side of the next procedure", about.guide.side.word(), "", Wish::NextSide));
    rows.extend(Procedure::ALL.map(|procedure| {
        let words = format!("begin: {}", procedure_word(procedure));
        about.ask(words, "", "", Wish::Follow(Some(procedure)))
    }));
    if about.room.procedure.is_some() {
        rows.push(about.ask("follow no procedure", "", "", Wish::Follow(None)));
    }
    rows
}

const fn step_word(status: StepStatus, current: bool) -> &'static str {
    match status {
        StepStatus::Open if current => "now",
        StepStatus::Open => "",
        StepStatus::Lacking => "no such tissue",
        StepStatus::Done { .. } => "done",
        StepStatus::OutOfOrder { .. } => "done too early",
    }
}

fn measures(about: &About<'_>) -> Vec<Row> {
    let mut rows = vec![about.ask("measure now", "", "U", Wish::Measure)];
    match &about.room.measures {
        None => rows.push(say("Canal, facets, pars and foramina are measured on the server, in some seconds the first time.")),
        Some(measures) => {
            for (name, level) in levels(measures, about.room) {
                rows.push(say(name));
                rows.extend(measured_rows(level).into_iter().map(|(words, value)| Row { value, ..say(format!("  {words}")) }));
            }
            rows.push(say("Of the case as it is segmented: no measurement of a patient."));
        }
    }
    rows
}

fn alarm(about: &About<'_>) -> Vec<Row> {
    let [caution, danger] = about.room.thresholds_mm;
    let least = LEAST_DANGER_MM as f32;
    let set = |caution: f32, danger: f32| Wish::Alarm([caution.clamp(least, ALARM_MOST_MM), danger.max(least)]);
    let row = |words: &str, mm: f32, wish| about.ask(words, format!("{mm:.1} mm"), "", wish);
    vec![
        row("caution farther", caution, set(caution + ALARM_STEP_MM, danger)),
        row("caution nearer", caution, set(caution - ALARM_STEP_MM, danger)),
        row("danger farther", danger, set(caution, danger + ALARM_STEP_MM)),
        row("danger nearer", danger, set(caution, danger - ALARM_STEP_MM)),
        about.ask("caution 4.0, danger 2.0 mm", "default", "", Wish::Alarm([4.0, 2.0])),
        say("An uncertain structure widens both; the band names the threshold in force."),
    ]
}

const fn look_word(look: Look) -> &'static str {
    match look {
        Look::Solid => "solid",
        Look::Faint => "see-through",
        Look::Hidden => "hidden",
    }
}

fn structures(about: &About<'_>) -> Vec<Row> {
    let classes = [
        (TissueClass::Bone, "bone", "B"),
        (TissueClass::Flavum, "flavum", ""),
        (TissueClass::Disc, "discs", ""),
        (TissueClass::Neural, "dura and roots", ""),
    ];
    let mut rows = vec![about.ask("show everything", "", "Shift+B", Wish::ResetLooks)];
    for (class, words, key) in classes {
        let members: Vec<u16> = (0..about.parts.len() as u16).filter(|n| about.parts[usize::from(*n)].class == class).collect();
        let Some(first) = members.first() else { continue };
        let same = members.iter().all(|n| about.looks.of(*n) == about.looks.of(*first));
        let value = if same { look_word(about.looks.of(*first)) } else { "mixed" };
        rows.push(about.ask(words, value, key, Wish::NextLook(Target::Class(class))));
    }
    for (n, part) in about.parts.iter().enumerate() {
        let n = n as u16;
        let proposed = if part.source == Source::Proposed { "  (proposed)" } else { "" };
        let words = format!("  {}{proposed}", spoken(part.label));
        rows.push(about.ask(words, look_word(about.looks.of(n)), "", Wish::NextLook(Target::Structure(n))));
    }
    rows
}

fn picture(about: &About<'_>) -> Vec<Row> {
    let slices = about.slices;
    let shown = if slices.shown { "on" } else { "off" };
    let mut rows = vec![
        about.ask("through the next person's eyes", "", "V", Wish::NextView),
        about.ask("free camera", "", "Shift+V", Wish::FreeView),
        Row { on: slices.shown, ..about.ask("slices at the tool's tip", shown, "C", Wish::Slices) },
        about.ask("window", slices.window_words(), "W", Wish::NextWindow),
        about.ask("brighter", "", ".", Wish::Level(-1)),
        about.ask("darker", "", ",", Wish::Level(1)),
        about.ask("softer", "", "Shift+.", Wish::Width(1)),
        about.ask("harder", "", "Shift+,", Wish::Width(-1)),
    ];
    let mut image = about.ask("image", slices.image_word(), "I", Wish::OtherImage);
    if !about.has_mr {
        image.refused = Some("the case has no MR".to_owned());
    }
    rows.push(image);
    rows.push(about.ask("write the picture to a file", "", "F12", Wish::Picture));
    rows
}

fn case(about: &About<'_>) -> Vec<Row> {
    let mut rows: Vec<Row> = about.room.warnings.iter().map(|words| say(format!("! {words}"))).collect();
    if rows.is_empty() {
        rows.push(say("The case carries no warnings."));
    }
    for source in [Source::Labelled, Source::Contoured, Source::Segmented, Source::Proposed, Source::Phantom] {
        let names: Vec<String> = about.parts.iter().filter(|p| p.source == source).map(|p| spoken(p.label)).collect();
        if !names.is_empty() {
            rows.push(say(format!("{}: {}", source.word(), names.join(", "))));
        }
    }
    rows.push(say(crate::hud::NOT_A_DEVICE));
    rows
}

fn film(about: &About<'_>) -> Vec<Row> {
    vec![
        about.ask("play, stop", "", "Space", Wish::Play),
        about.ask("10 seconds back", "", "Left", Wish::Skip(-10.0)),
        about.ask("10 seconds on", "", "Right", Wish::Skip(10.0)),
        about.ask("slower", "", "[", Wish::Speed(-1)),
        about.ask("faster", "", "]", Wish::Speed(1)),
        about.ask("last alarm or injury", "", "PgUp", Wish::Moment(false)),
        about.ask("next alarm or injury", "", "PgDn", Wish::Moment(true)),
        about.ask("to the start", "", "Home", Wish::Ends(false)),
        about.ask("to the end", "", "End", Wish::Ends(true)),
        about.ask("through the next person's eyes", "", "V", Wish::NextView),
        about.ask("free camera", "", "Shift+V", Wish::FreeView),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::{Mode, Person};
    use spinor_shared::room::Role;
    use spinor_sim::UserId;

    fn with<R>(role: Role, test: impl Fn(&About<'_>) -> R) -> R {
        let person = |user: u32, role| {
            let user = UserId(user);
            (user, Person { user, name: format!("P{}", user.0), role, has_tool: false, online: true, head: None })
        };
        let room = Room {
            people: [person(1, role), person(2, Role::Resident), person(3, Role::Observer)].into(),
            me: Some(UserId(1)),
            mode: Mode::Shared,
            thresholds_mm: [4.0, 2.0],
            warnings: vec!["flavum was proposed".to_owned()],
            ..default()
        };
        let parts = [
            Part { label: Label::lumbar(4), class: TissueClass::Bone, source: Source::Labelled },
            Part { label: Label::flavum_below(4), class: TissueClass::Flavum, source: Source::Proposed },
        ];
        let (rack, looks, slices, guide) = (Rack::default(), Looks::default(), Slices::default(), Guide::default());
        test(&About { room: &room, rack: &rack, looks: &looks, slices: &slices, guide: &guide, parts: &parts, has_mr: false })
    }

    /// What a mentor may not do stands there grey, with the reason; what an attending may do can be picked.
    #[test]
    fn what_is_not_allowed_is_grey_with_the_reason() {
        let refused = |role, page| {
            with(role, |about| rows(page, about).iter().filter(|row| row.refused.is_some()).map(|r| r.words.clone()).collect())
        };
        let mentor: Vec<String> = refused(Role::Mentor, Page::Alarm);
        assert_eq!(mentor.len(), 5, "{mentor:?}");
        assert!(refused(Role::Attending, Page::Alarm).is_empty());
        // The observer can never be given the tool.
        // Nor is there a tool in the attending's hand to hand over, or a recording to go back in.
        let greyed = refused(Role::Attending, Page::Room);
        assert_eq!((greyed.len(), greyed[0].as_str()), (4, "P3  observer"), "{greyed:?}");
        assert_eq!(refused(Role::Mentor, Page::Tools).len(), 18);
        // A mentor may measure, and leaves the choice of the procedure to the attending.
        assert_eq!((refused(Role::Mentor, Page::Procedure).len(), refused(Role::Attending, Page::Procedure).len()), (6, 0));
        assert!(refused(Role::Mentor, Page::Measures).is_empty());
    }

    /// Every tool is in the rack with a key of its own, warnings and proposed structures are named.
    #[test]
    fn pages_are_complete() {
        with(Role::Attending, |about| {
            let tools = rows(Page::Tools, about);
            let keys: std::collections::BTreeSet<&str> = tools.iter().map(|row| row.key).collect();
            assert_eq!((tools.len(), keys.len()), (18, 18));
            assert!(ToolKind::ALL.iter().all(|kind| tools.iter().any(|row| row.words == kind.word())));
            let case = rows(Page::Case, about);
            assert_eq!(case[0].words, "! flavum was proposed");
            assert!(case.iter().any(|row| row.words == "proposed: flavum L4/L5"), "{case:?}");
            let structures = rows(Page::Structures, about);
            assert!(structures.iter().any(|row| row.words == "  flavum L4/L5  (proposed)"));
        });
    }
}
