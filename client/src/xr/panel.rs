//! The texts in a headset: the same nodes as on a screen, drawn onto a panel that stands beyond the table.

use bevy::camera::RenderTarget;
use bevy::prelude::*;
use bevy::render::render_resource::TextureFormat;
use bevy_mod_xr::session::XrState;

use crate::frames::ISOCENTRE_M;
use crate::hud::help::By;
use crate::hud::{Help, HudCamera};

/// Pixels of the panel.
const PIXELS: UVec2 = UVec2::new(960, 540);
/// Width of the panel, m.
const WIDTH_M: f32 = 0.80;
/// The image that the texts are drawn onto.
#[derive(Resource)]
struct PanelImage(Handle<Image>);

/// The panel in the theatre.
#[derive(Component)]
struct Panel;

/// Hangs up the panel.
pub(super) struct PanelPlugin;

impl Plugin for PanelPlugin {
    fn build(&self, app: &mut App) {
        app.insert_resource(Help { open: false, by: By::Headset })
            .add_systems(PostStartup, hang.run_if(resource_exists::<PanelImage>))
            .add_systems(Update, show);
    }
}

/// Makes the camera that draws the texts onto the panel, before the texts are built.
pub(crate) fn panel_camera(mut commands: Commands, mut images: ResMut<Assets<Image>>) {
    let image = images.add(Image::new_target_texture(PIXELS.x, PIXELS.y, TextureFormat::Rgba8UnormSrgb, None));
    let camera = commands
        .spawn((
            Camera2d,
            Camera { order: -1, clear_color: ClearColorConfig::Custom(Color::srgb(0.008, 0.014, 0.018)), ..default() },
            RenderTarget::Image(image.clone().into()),
            Msaa::Off,
        ))
        .id();
    commands.insert_resource(HudCamera(camera));
    commands.insert_resource(PanelImage(image));
}

fn hang(
    mut commands: Commands,
    image: Res<PanelImage>,
    mut meshes: ResMut<Assets<Mesh>>,
    mut materials: ResMut<Assets<StandardMaterial>>,
) {
    let size = Vec2::new(WIDTH_M, WIDTH_M * PIXELS.y as f32 / PIXELS.x as f32);
    let material = StandardMaterial { base_color_texture: Some(image.0.clone()), unlit: true, ..default() };
    // Across the table, above the hands' reach, leaning towards the surgeon.
    let place = ISOCENTRE_M + Vec3::new(0.0, 0.20, -0.45);
    commands.spawn((
        Panel,
        Mesh3d(meshes.add(Rectangle::from_size(size))),
        MeshMaterial3d(materials.add(material)),
        Transform::from_translation(place).looking_to(Vec3::new(0.0, -0.30, -1.0), Vec3::Y),
        Visibility::Inherited,
    ));
}

/// Without a session nobody looks at the panel.
fn show(state: Option<Res<XrState>>, mut panels: Query<&mut Visibility, With<Panel>>) {
    let running = state.is_some_and(|state| *state == XrState::Running);
    for mut visibility in &mut panels {
        visibility.set_if_neq(if running { Visibility::Inherited } else { Visibility::Hidden });
    }
}
