//! CT or MR at the tool's tip: three planes through it, with what has been cut marked.

mod paint;

use bevy::asset::RenderAssetUsages;
use bevy::prelude::*;
use bevy::render::render_resource::{Extent3d, TextureDimension, TextureFormat};
use bevy::text::FontSize;
use spinor_shared::case::ImageBricks;

use crate::hud::layout::{Places, lay_out};
use crate::room::{OwnBody, Room};
use crate::scene::anatomy::Anatomy;
use crate::wish::{Granted, Wish};
use crate::{Allow, Draw};
use paint::{PIXELS, Plane, Window, common_values, paint};

/// A slice is drawn anew when the tip has moved this far, mm.
const STEP_MM: f64 = 0.25;
/// Windows for CT by name, HU: bone as radiologists look at it, soft tissue (flavum, disc, dura), and both at once.
const PRESETS: [(&str, Window); 3] = [
    ("bone", Window { level: 400.0, width: 1_800.0 }),
    ("soft", Window { level: 50.0, width: 400.0 }),
    ("spine", Window { level: 150.0, width: 800.0 }),
];
/// Behind letters on an image, so that they can be read on bright bone.
const BEHIND: BackgroundColor = BackgroundColor(Color::srgba(0.0, 0.02, 0.02, 0.6));
/// A step of brightness or contrast, as a share of the width.
const STEP: f32 = 0.1;

/// Which image the slices show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Shows {
    #[default]
    Ct,
    Mr,
}

/// What the slices show, and how.
#[derive(Resource, Debug, PartialEq)]
pub(crate) struct Slices {
    /// Shown or hidden.
    pub(crate) shown: bool,
    shows: Shows,
    preset: usize,
    /// The CT's window, HU.
    ct: Window,
    /// The MR's window in its own units; found from its values when it is first shown.
    mr: Option<Window>,
    /// Counts changes, so that what is painted follows them.
    version: u32,
}

impl Default for Slices {
    fn default() -> Self {
        Self { shown: true, shows: Shows::Ct, preset: 0, ct: PRESETS[0].1, mr: None, version: 0 }
    }
}

impl Slices {
    /// The window in words.
    pub(crate) fn window_words(&self) -> String {
        match (self.shows, self.mr) {
            (Shows::Ct, _) => {
                let name = PRESETS.iter().find(|(_, window)| *window == self.ct).map_or("own", |(name, _)| name);
                format!("{name}: level {:.0}, width {:.0} HU", self.ct.level, self.ct.width)
            }
            (Shows::Mr, Some(window)) => format!("level {:.0}, width {:.0}", window.level, window.width),
            (Shows::Mr, None) => "MR".to_owned(),
        }
    }

    /// The image's name.
    pub(crate) const fn image_word(&self) -> &'static str {
        match self.shows {
            Shows::Ct => "CT",
            Shows::Mr => "MR",
        }
    }

    fn change(&mut self, by: impl Fn(&mut Window)) {
        match self.shows {
            Shows::Ct => by(&mut self.ct),
            Shows::Mr => self.mr.iter_mut().for_each(by),
        }
    }

    fn serve(&mut self, wish: &Wish) {
        match wish {
            Wish::Slices => self.shown = !self.shown,
            Wish::OtherImage => self.shows = if self.shows == Shows::Ct { Shows::Mr } else { Shows::Ct },
            Wish::NextWindow => {
                self.preset = (self.preset + 1) % PRESETS.len();
                self.ct = PRESETS[self.preset].1;
                self.mr = None;
            }
            Wish::Level(steps) => self.change(|window| window.level += f32::from(*steps) * STEP * window.width),
            Wish::Width(steps) => {
                self.change(|window| window.width = (window.width * (1.0 + f32::from(*steps) * STEP)).clamp(20.0, 6_000.0));
            }
            _ => return,
        }
        self.version += 1;
    }
}

/// Draws the slices.
pub(crate) struct SlicesPlugin;

impl Plugin for SlicesPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<Slices>()
            .add_systems(PostStartup, build.after(lay_out))
            .add_systems(Update, serve.in_set(Allow))
            .add_systems(Update, (turn_to_the_only_image, label, draw).chain().in_set(Draw).run_if(resource_exists::<Panel>));
    }
}

fn serve(mut granted: MessageReader<Granted>, mut slices: ResMut<Slices>) {
    for Granted(wish) in granted.read() {
        slices.serve(wish);
    }
}

/// The images and the box they hang in.
#[derive(Resource)]
struct Panel {
    node: Entity,
    images: [Handle<Image>; 3],
    drawn_at: [Option<([f64; 3], u32)>; 3],
    next: usize,
}

/// A slice's caption.
#[derive(Component)]
struct Caption(Plane);

fn build(mut commands: Commands, mut images: ResMut<Assets<Image>>, places: Option<Res<Places>>) {
    let Some(places) = places else { return };
    let blank = || {
        let size = Extent3d { width: PIXELS as u32, height: PIXELS as u32, depth_or_array_layers: 1 };
        let usage = RenderAssetUsages::MAIN_WORLD | RenderAssetUsages::RENDER_WORLD;
        Image::new_fill(size, TextureDimension::D2, &[4, 5, 6, 255], TextureFormat::Rgba8UnormSrgb, usage)
    };
    let handles = [images.add(blank()), images.add(blank()), images.add(blank())];
    let node = Node {
        flex_direction: FlexDirection::Column,
        row_gap: Val::Px(8.0),
        flex_shrink: 0.0,
        display: Display::None,
        ..default()
    };
    let node = commands.spawn((node, ChildOf(places.right))).id();
    for (plane, image) in Plane::ALL.into_iter().zip(&handles) {
        let edge = Val::Px(PIXELS as f32);
        let slice = commands
            .spawn((
                ImageNode::new(image.clone()),
                Node { width: edge, height: edge, border: UiRect::all(Val::Px(1.0)), ..default() },
                BorderColor::all(Color::srgba(0.5, 0.6, 0.62, 0.5)),
                ChildOf(node),
            ))
            .id();
        commands.spawn((
            Caption(plane),
            Text::default(),
            TextFont { font_size: FontSize::Px(11.0), ..default() },
            TextColor(Color::srgb(0.85, 0.9, 0.9)),
            BEHIND,
            Node { position_type: PositionType::Absolute, top: Val::Px(4.0), left: Val::Px(4.0), ..default() },
            ChildOf(slice),
        ));
        for (letter, place) in plane.edges().into_iter().zip(edge_nodes()) {
            let font = TextFont { font_size: FontSize::Px(13.0), ..default() };
            let centre = (Text::new(letter), font, TextColor(Color::srgb(1.0, 0.86, 0.4)), BEHIND);
            commands.spawn((place, ChildOf(slice))).with_child(centre);
        }
    }
    commands.insert_resource(Panel { node, images: handles, drawn_at: [None; 3], next: 0 });
}

/// Where the letters of a slice's left, right, top and bottom edge stand.
fn edge_nodes() -> [Node; 4] {
    let (near, whole) = (Val::Px(4.0), Val::Percent(100.0));
    let side = Node { position_type: PositionType::Absolute, height: whole, align_items: AlignItems::Center, ..default() };
    let end = Node { position_type: PositionType::Absolute, width: whole, justify_content: JustifyContent::Center, ..default() };
    [
        Node { left: near, ..side.clone() },
        Node { right: near, ..side },
        Node { top: near, ..end.clone() },
        Node { bottom: near, ..end },
    ]
}

/// The image that is to be shown, if it is here.
fn image<'a>(slices: &Slices, anatomy: &'a Anatomy) -> Option<&'a ImageBricks> {
    match slices.shows {
        Shows::Ct => anatomy.ct.as_ref(),
        Shows::Mr => anatomy.mr.as_ref(),
    }
}

/// A patient who came with an MR alone is shown in it.
fn turn_to_the_only_image(mut slices: ResMut<Slices>, anatomy: Option<Res<Anatomy>>) {
    let Some(anatomy) = anatomy else { return };
    if slices.shows == Shows::Ct && anatomy.ct.is_none() && anatomy.mr.is_some() {
        slices.serve(&Wish::OtherImage);
    }
}

fn label(
    slices: Res<Slices>,
    anatomy: Option<Res<Anatomy>>,
    panel: Res<Panel>,
    mut nodes: Query<&mut Node>,
    mut captions: Query<(&Caption, &mut Text)>,
) {
    let shown = slices.shown && anatomy.is_some_and(|anatomy| image(&slices, &anatomy).is_some());
    let display = if shown { Display::Flex } else { Display::None };
    if let Ok(mut node) = nodes.get_mut(panel.node)
        && node.display != display
    {
        node.display = display;
    }
    if slices.is_changed() {
        for (caption, mut text) in &mut captions {
            text.0 = format!("{} {}", slices.image_word(), caption.0.name());
        }
    }
}

/// One plane a frame: three in turn follow a moving tip fast enough, and no frame pays for all of them.
fn draw(
    mut slices: ResMut<Slices>,
    anatomy: Option<Res<Anatomy>>,
    room: Res<Room>,
    body: Res<OwnBody>,
    mut panel: ResMut<Panel>,
    mut images: ResMut<Assets<Image>>,
) {
    let Some(anatomy) = anatomy.filter(|_| slices.shown) else { return };
    let Some(bricks) = image(&slices, &anatomy) else { return };
    if slices.shows == Shows::Mr && slices.mr.is_none() {
        slices.mr = Some(common_values(bricks));
    }
    let window = match slices.shows {
        Shows::Ct => slices.ct,
        Shows::Mr => slices.mr.unwrap_or(slices.ct),
    };
    let tip = room.my_tool().or_else(|| room.tools.values().next()).map(|tool| tool.at.translation);
    let tip = tip.or_else(|| body.hands.values().next().map(|hand| hand.at.translation));
    let tip_mm = tip.map_or(anatomy.frame.centre_mm, |tip| anatomy.frame.patient_from_world(tip));
    for _ in 0..3 {
        let k = panel.next;
        panel.next = (k + 1) % 3;
        let moved = panel.drawn_at[k]
            .is_none_or(|(at, version)| version != slices.version || (0..3).any(|a| (at[a] - tip_mm[a]).abs() > STEP_MM));
        // While something is being cut, the plane under the tool changes although the tool may stand still; and bricks of the image
        // may still be arriving.
        if !moved && !room.tools.values().any(|tool| tool.cutting) && !anatomy.is_changed() {
            continue;
        }
        panel.drawn_at[k] = Some((tip_mm, slices.version));
        if let Some(mut image) = images.get_mut(&panel.images[k])
            && let Some(data) = &mut image.data
        {
            paint(data, Plane::ALL[k], tip_mm, (bricks, window), &anatomy.patient, &anatomy.cut);
        }
        break;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Presets go round; brightness and contrast change by a share of the width and stay possible.
    #[test]
    fn windows_change_in_steps() {
        let mut slices = Slices::default();
        assert_eq!(slices.window_words(), "bone: level 400, width 1800 HU");
        slices.serve(&Wish::NextWindow);
        assert_eq!(slices.window_words(), "soft: level 50, width 400 HU");
        slices.serve(&Wish::Level(1));
        assert_eq!(slices.window_words(), "own: level 90, width 400 HU");
        (0..100).for_each(|_| slices.serve(&Wish::Width(-1)));
        assert_eq!(slices.ct.width, 20.0);
        (0..3).for_each(|_| slices.serve(&Wish::NextWindow));
        assert_eq!(slices.preset, 1);
        let version = slices.version;
        slices.serve(&Wish::Help);
        assert_eq!(slices.version, version, "what does not concern the slices paints nothing anew");
    }
}
