//! What is written: alarm, tool, people, state of the connection, help.
//!
//! The texts are made by functions without an engine, so that a test can read them. On a screen they lie over the picture; in a headset
//! the same tree of nodes is drawn onto a panel beyond the table.

use bevy::prelude::*;
use bevy::text::{FontSize, LineHeight};
use spinor_shared::room::Role;
use spinor_sim::{AlarmLevel, ToolKind, UserId};

use crate::Draw;
use crate::room::{Person, Room, ShownTool};
use crate::scene::people::{Head, role_colour};

/// How long a message stays, s.
const MESSAGE_SECONDS: f64 = 6.0;
/// Shown on start and beside every report.
pub(crate) const NOT_A_DEVICE: &str = "For education and rehearsal. Not a medical device.";

/// Which camera the texts lie over; the one that is marked as default when absent.
#[derive(Resource)]
pub(crate) struct HudCamera(pub(crate) Entity);

/// Whether the help is open.
#[derive(Resource, Default)]
pub(crate) struct Help {
    /// Shown or hidden.
    pub(crate) open: bool,
    /// Lines for the input in use.
    pub(crate) lines: &'static str,
}

/// Whose eyes the picture is seen through, for the line that says so.
#[derive(Resource, Default)]
pub(crate) struct ViewName(pub(crate) String);

/// Draws the texts.
pub(crate) struct HudPlugin;

/// Everything of the HUD: after the camera exists.
#[derive(SystemSet, Clone, Debug, PartialEq, Eq, Hash)]
struct Written;

impl Plugin for HudPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<Help>()
            .init_resource::<ViewName>()
            .add_systems(PostStartup, build)
            .add_systems(Update, (write, name_heads).in_set(Written).in_set(Draw));
    }
}

/// The band's colour by level.
pub(crate) const fn level_colour(level: AlarmLevel) -> Color {
    match level {
        AlarmLevel::Clear => Color::srgba(0.05, 0.30, 0.22, 0.78),
        AlarmLevel::Caution => Color::srgba(0.72, 0.45, 0.02, 0.90),
        AlarmLevel::Danger => Color::srgba(0.78, 0.05, 0.04, 0.94),
    }
}

/// A structure's name as people say it: `intervertebral_disc_L4_L5` becomes `disc L4/L5`.
pub(crate) fn spoken(label: spinor_volume::Label) -> String {
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

/// What a tool is called.
pub(crate) const fn tool_name(kind: ToolKind) -> &'static str {
    kind.word()
}

/// The alarm band: level, distance, structure and the threshold in force; whose tool it is when not one's own.
///
/// Inside a structure the distance is negative and the level danger: never "clear". Where nothing neural is within reach it says so
/// instead of a number.
pub(crate) fn alarm_line(room: &Room) -> (AlarmLevel, String) {
    let worst = room.worst_tool().filter(|(_, tool)| tool.level > AlarmLevel::Clear);
    let (whose, tool) = match worst {
        Some((user, tool)) if Some(user) != room.me => {
            let name = room.people.get(&user).map_or("somebody", |p| p.name.as_str());
            (format!("{name}: "), tool)
        }
        Some((_, tool)) => (String::new(), tool),
        None => match room.my_tool().or_else(|| room.worst_tool().map(|(_, tool)| tool)) {
            Some(tool) => (String::new(), tool),
            None => return (AlarmLevel::Clear, "no tool in hand".to_owned()),
        },
    };
    (tool.level, format!("{whose}{}", distance_line(tool, room.thresholds_mm)))
}

fn distance_line(tool: &ShownTool, [caution_mm, danger_mm]: [f32; 2]) -> String {
    let thresholds = format!("caution {caution_mm:.1} mm, danger {danger_mm:.1} mm");
    let Some((mm, structure)) = tool.nearest else { return format!("clear   nothing neural near   ({thresholds})") };
    let place = if mm < 0.0 {
        format!("{:.1} mm INSIDE {}", -mm, spoken(structure))
    } else {
        format!("{mm:.1} mm to {}", spoken(structure))
    };
    match tool.warning {
        Some((of, threshold)) if tool.level > AlarmLevel::Clear => {
            let of = if of == structure { String::new() } else { format!(" for {}", spoken(of)) };
            format!("{}   {place}   (threshold {threshold:.1} mm{of})", tool.level.word().to_uppercase())
        }
        _ if tool.level > AlarmLevel::Clear => format!("{}   {place}   ({thresholds})", tool.level.word().to_uppercase()),
        _ => format!("clear   {place}   ({thresholds})"),
    }
}

/// Tool, spindle and load of a hand.
pub(crate) fn tool_line(tool: &ShownTool) -> String {
    let mut line = format!("{} {:.1} mm", tool_name(tool.kind), f32::from(tool.size_tenth_mm) / 10.0);
    match tool.kind {
        ToolKind::FlutedBurr | ToolKind::DiamondBurr if tool.spindle_rpm >= 1.0 => {
            line += &format!("   {:.0},000 rpm", (tool.spindle_rpm / 1000.0).round());
        }
        ToolKind::FlutedBurr | ToolKind::DiamondBurr => line += "   stopped",
        kind if kind.has_jaws() => line += &format!("   {:.0} % closed", tool.trigger * 100.0),
        _ => {}
    }
    if tool.load_newton >= 0.05 {
        line += &format!("   {:.1} N", tool.load_newton);
    }
    line + if tool.cutting { "   cutting" } else { "" }
}

/// One line a person: role, name, and what is to be known about them.
pub(crate) fn person_line(person: &Person, me: bool) -> String {
    let mut line = format!("{}  {}", person.name, person.role);
    if me {
        line += "  (you)";
    }
    if !person.online {
        line += "  away";
    } else if person.role == Role::Resident && person.has_tool {
        line += "  operating";
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
    if !view.is_empty() {
        parts.push(view.to_owned());
    }
    if room.frozen {
        parts.push("TOOLS FROZEN".to_owned());
    }
    if room.paused {
        parts.push("PAUSED".to_owned());
    }
    parts.retain(|part| !part.is_empty());
    parts.join("   |   ")
}

/// A text's place.
#[derive(Component, Clone, Copy, PartialEq, Eq)]
enum Slot {
    Band,
    Alarm,
    Tool,
    People,
    Status,
    Message,
    Help,
    HelpBox,
}

fn build(mut commands: Commands, camera: Option<Res<HudCamera>>) {
    let panel = Color::srgba(0.015, 0.03, 0.04, 0.72);
    let text = |px: f32, colour: Color| (TextFont { font_size: FontSize::Px(px), ..default() }, TextColor(colour));
    let (bright, soft) = (Color::srgb(0.95, 0.97, 0.97), Color::srgb(0.72, 0.80, 0.82));
    let root = commands
        .spawn(Node {
            width: Val::Percent(100.0),
            height: Val::Percent(100.0),
            position_type: PositionType::Absolute,
            ..default()
        })
        .id();
    if let Some(camera) = camera {
        commands.entity(root).insert(UiTargetCamera(camera.0));
    }
    let mut boxed = |node: Node, colour: Option<Color>| {
        let node = Node {
            position_type: PositionType::Absolute,
            padding: UiRect::axes(Val::Px(16.0), Val::Px(8.0)),
            border_radius: BorderRadius::all(Val::Px(7.0)),
            ..node
        };
        commands.spawn((node, BackgroundColor(colour.unwrap_or(Color::NONE)), ChildOf(root))).id()
    };
    let edge = Val::Px(14.0);
    let middle = |top: f32| Node {
        top: Val::Px(top),
        left: Val::Percent(22.0),
        width: Val::Percent(56.0),
        justify_content: JustifyContent::Center,
        ..default()
    };
    let band = boxed(middle(14.0), Some(level_colour(AlarmLevel::Clear)));
    let message = boxed(middle(64.0), None);
    let tool = boxed(Node { bottom: edge, left: edge, ..default() }, Some(panel));
    let people = boxed(Node { top: edge, left: edge, ..default() }, Some(panel));
    let status = boxed(Node { bottom: edge, right: edge, ..default() }, Some(panel));
    let help = boxed(Node { bottom: Val::Px(70.0), left: edge, ..default() }, Some(panel));
    commands.entity(band).insert(Slot::Band);
    commands.entity(help).insert(Slot::HelpBox);
    commands.spawn((Text::default(), text(21.0, bright), Slot::Alarm, ChildOf(band)));
    commands.spawn((Text::default(), text(17.0, bright), Slot::Tool, ChildOf(tool)));
    commands.spawn((Text::default(), text(15.0, bright), LineHeight::RelativeToFont(1.45), Slot::People, ChildOf(people)));
    commands.spawn((Text::default(), text(15.0, soft), Slot::Status, ChildOf(status)));
    commands.spawn((Text::default(), text(17.0, bright), Slot::Message, ChildOf(message)));
    commands.spawn((Text::default(), text(14.0, soft), LineHeight::RelativeToFont(1.4), Slot::Help, ChildOf(help)));
}

fn write(
    room: Res<Room>,
    view: Res<ViewName>,
    help: Res<Help>,
    time: Res<Time<Real>>,
    mut texts: Query<(&Slot, &mut Text)>,
    mut boxes: Query<(&Slot, &mut BackgroundColor, &mut Node)>,
) {
    let (level, alarm) = alarm_line(&room);
    for (slot, mut text) in &mut texts {
        let now = match slot {
            Slot::Alarm => alarm.clone(),
            Slot::Tool => {
                let mine = room.me.map(|me| room.tools.iter().filter(move |((user, _), _)| *user == me));
                let lines: Vec<String> = match mine {
                    Some(mine) => mine.map(|(_, tool)| tool_line(tool)).collect(),
                    None => room.tools.values().map(tool_line).collect(),
                };
                if lines.is_empty() { NOT_A_DEVICE.to_owned() } else { lines.join("\n") }
            }
            Slot::People if room.people.is_empty() => "Spinor".to_owned(),
            Slot::People => {
                let lines: Vec<String> = room.people.values().map(|p| person_line(p, Some(p.user) == room.me)).collect();
                lines.join("\n")
            }
            Slot::Status => status_line(&room, &view.0),
            Slot::Message => {
                let fresh = room.message.as_ref().filter(|(_, said)| time.elapsed_secs_f64() - said < MESSAGE_SECONDS);
                fresh.map_or(String::new(), |(message, _)| message.clone())
            }
            Slot::Help if help.open => help.lines.to_owned(),
            _ => String::new(),
        };
        if text.0 != now {
            text.0 = now;
        }
    }
    for (slot, mut colour, mut node) in &mut boxes {
        match slot {
            Slot::Band => {
                colour.set_if_neq(BackgroundColor(level_colour(level)));
            }
            Slot::HelpBox => {
                let display = if help.open { Display::Flex } else { Display::None };
                if node.display != display {
                    node.display = display;
                }
            }
            _ => {}
        }
    }
}

/// A name that follows a person's head on the screen.
#[derive(Component)]
struct NameTag(UserId);

fn name_heads(
    mut commands: Commands,
    room: Res<Room>,
    hud: Option<Res<HudCamera>>,
    heads: Query<(&Head, &GlobalTransform)>,
    cameras: Query<(&Camera, &GlobalTransform), With<Camera3d>>,
    mut tags: Query<(Entity, &NameTag, &mut Node, &mut Visibility)>,
) {
    let camera = hud.and_then(|hud| cameras.get(hud.0).ok());
    for (head, at) in &heads {
        let Some(person) = room.people.get(&head.0) else { continue };
        if !tags.iter().any(|(_, tag, _, _)| tag.0 == head.0) {
            let label = format!("{}  {}", person.name, person.role);
            let colour = role_colour(person.role);
            commands.spawn((
                NameTag(head.0),
                Text::new(label),
                TextFont { font_size: FontSize::Px(15.0), ..default() },
                TextColor(Color::WHITE),
                BackgroundColor(colour.with_alpha(0.75)),
                Node {
                    position_type: PositionType::Absolute,
                    padding: UiRect::axes(Val::Px(8.0), Val::Px(3.0)),
                    border_radius: BorderRadius::all(Val::Px(5.0)),
                    ..default()
                },
                Visibility::Hidden,
            ));
            continue;
        }
        let above = at.translation() + Vec3::Y * 0.20;
        let on_screen = camera.and_then(|(camera, eye)| {
            let ahead = eye.forward().dot(above - eye.translation()) > 0.05;
            camera.world_to_viewport(eye, above).ok().filter(|_| ahead)
        });
        for (_, tag, mut node, mut visibility) in &mut tags {
            if tag.0 == head.0 {
                match on_screen {
                    None => *visibility = Visibility::Hidden,
                    Some(place) => {
                        *visibility = Visibility::Inherited;
                        (node.left, node.top) = (Val::Px(place.x - 60.0), Val::Px(place.y - 14.0));
                    }
                }
            }
        }
    }
    for (entity, tag, _, _) in &tags {
        if !heads.iter().any(|(head, _)| head.0 == tag.0) {
            commands.entity(entity).despawn();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spinor_sim::Hand;
    use spinor_volume::Label;

    fn tool(mm: f32, level: AlarmLevel) -> ShownTool {
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
            spindle_rpm: 57_600.0,
            in_bone: true,
            cutting: true,
        }
    }

    fn room(tools: &[(u32, ShownTool)]) -> Room {
        let person = |user: u32, name: &str, role| {
            let user = UserId(user);
            (user, Person { user, name: name.to_owned(), role, has_tool: true, online: true, head: None })
        };
        Room {
            people: [person(1, "Ada", Role::Attending), person(2, "Ben", Role::Resident)].into(),
            tools: tools.iter().map(|(user, tool)| ((UserId(*user), Hand::Right), *tool)).collect(),
            me: Some(UserId(1)),
            thresholds_mm: [4.0, 2.0],
            ..default()
        }
    }

    /// The band names the threshold that is in force, never another one, and being inside the dura is danger with its depth.
    #[test]
    fn the_band_tells_the_truth() {
        let line = |mm, level| alarm_line(&room(&[(1, tool(mm, level))]));
        assert_eq!(line(1.84, AlarmLevel::Danger).1, "DANGER   1.8 mm to dural sac   (threshold 2.7 mm)");
        assert_eq!(
            line(-0.6, AlarmLevel::Danger),
            (AlarmLevel::Danger, "DANGER   0.6 mm INSIDE dural sac   (threshold 2.7 mm)".to_owned())
        );
        assert_eq!(line(7.0, AlarmLevel::Clear).1, "clear   7.0 mm to dural sac   (caution 4.0 mm, danger 2.0 mm)");
        let far = ShownTool { nearest: None, ..tool(0.0, AlarmLevel::Clear) };
        assert_eq!(alarm_line(&room(&[(1, far)])).1, "clear   nothing neural near   (caution 4.0 mm, danger 2.0 mm)");
        assert_eq!(alarm_line(&room(&[])).1, "no tool in hand");
    }

    /// The threshold of an uncertain structure farther away is not shown as if it were the nearest one's.
    #[test]
    fn another_structures_threshold_is_named() {
        let other = ShownTool { warning: Some((Label::root(5, true), 3.1)), ..tool(2.5, AlarmLevel::Caution) };
        assert_eq!(alarm_line(&room(&[(1, other)])).1, "CAUTION   2.5 mm to dural sac   (threshold 3.1 mm for left root L5)");
    }

    /// Everybody sees the worst alarm of all, with the name of who holds the tool.
    #[test]
    fn somebody_elses_danger_comes_first() {
        let (level, line) = alarm_line(&room(&[(1, tool(3.0, AlarmLevel::Caution)), (2, tool(1.0, AlarmLevel::Danger))]));
        assert_eq!(level, AlarmLevel::Danger);
        assert!(line.starts_with("Ben: DANGER   1.0 mm"), "{line}");
    }

    #[test]
    fn lines_about_tools_people_and_state() {
        assert_eq!(tool_line(&tool(3.0, AlarmLevel::Caution)), "fluted burr 4.0 mm   58,000 rpm   1.2 N   cutting");
        let room = Room { frozen: true, status: "joined".to_owned(), clock_secs: Some(3_725.4), ..room(&[]) };
        assert_eq!(status_line(&room, "through Ben's eyes"), "joined   |   01:02:05   |   through Ben's eyes   |   TOOLS FROZEN");
        let ben = &room.people[&UserId(2)];
        assert_eq!(person_line(ben, false), "Ben  resident  operating");
        assert_eq!(person_line(&Person { online: false, ..ben.clone() }, true), "Ben  resident  (you)  away");
        assert_eq!(spoken(Label::disc_below(5)), "disc L5/S1");
    }
}
