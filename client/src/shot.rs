//! One picture to a file, then the end: works without a display.

use std::path::{Path, PathBuf};

use bevy::app::AppExit;
use bevy::camera::RenderTarget;
use bevy::prelude::*;
use bevy::render::render_resource::TextureFormat;
use bevy::render::view::window::screenshot::{Screenshot, ScreenshotCaptured};
use bevy::window::PrimaryWindow;

use crate::camera::ScreenCamera;
use crate::room::Room;
use crate::scene::anatomy::Anatomy;
use crate::source::now;
use crate::wish::{Granted, Wish};
use crate::{Allow, Draw};

/// Frames that a picture may wait for before the client gives up: a server that never answers must not hang a script.
const PATIENCE_FRAMES: u32 = 20_000;

/// What a picture takes, one after the other.
const STAGES: [&str; 3] = ["waiting for the patient", "building its surfaces", "drawing"];

/// Frames until what was spawned has reached the renderer: the first ones are black.
const PIPELINE_FRAMES: u32 = 4;

/// A picture to take.
#[derive(Resource, Clone, Debug)]
pub(crate) struct Shot {
    /// Where to write it.
    pub(crate) path: PathBuf,
    /// Frames that pass after everything is there; only the last few before the picture are drawn.
    pub(crate) frames: u32,
    /// Pixels.
    pub(crate) size: UVec2,
}

/// The image that is drawn instead of a window.
#[derive(Resource)]
struct Canvas(Handle<Image>);

/// How the picture goes.
#[derive(Resource, Default)]
struct Progress {
    drawn: u32,
    waited: u32,
    asked: bool,
    /// How many of [`STAGES`] were told.
    told: usize,
}

/// Takes [`Shot`] and ends the program.
pub(crate) struct ShotPlugin;

impl Plugin for ShotPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<Progress>().add_systems(Update, take.after(Draw));
    }
}

/// An image of the shot's size as the target of the screen camera.
pub(crate) fn canvas(commands: &mut Commands, images: &mut Assets<Image>, size: UVec2) -> RenderTarget {
    let image = images.add(Image::new_target_texture(size.x, size.y, TextureFormat::Rgba8UnormSrgb, None));
    commands.insert_resource(Canvas(image.clone()));
    RenderTarget::Image(image.into())
}

/// Writes a picture of the window when asked.
pub(crate) struct PicturePlugin;

impl Plugin for PicturePlugin {
    fn build(&self, app: &mut App) {
        app.add_systems(Update, picture.in_set(Allow));
    }
}

/// The first name of a picture in this folder that nothing has yet; none when all are taken.
fn free_name(taken: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    (1..10_000).map(|n| PathBuf::from(format!("spinor-{n:04}.png"))).find(|path| !taken(path))
}

fn picture(
    mut commands: Commands,
    mut granted: MessageReader<Granted>,
    windows: Query<(), With<PrimaryWindow>>,
    mut room: ResMut<Room>,
    time: Res<Time<Real>>,
) {
    for _ in granted.read().filter(|Granted(wish)| *wish == Wish::Picture) {
        let words = match free_name(Path::exists) {
            _ if windows.is_empty() => "there is no window to take a picture of".to_owned(),
            None => "this folder is full of pictures".to_owned(),
            Some(path) => {
                let words = format!("picture: {}", path.display());
                commands.spawn(Screenshot::primary_window()).observe(move |captured: On<ScreenshotCaptured>| {
                    if let Err(wrong) = save(&captured, &path) {
                        eprintln!("cannot write {}: {wrong}", path.display());
                    }
                });
                words
            }
        };
        room.message = Some((words, now(&time)));
    }
}

fn save(captured: &ScreenshotCaptured, path: &Path) -> Result<(), String> {
    let picture = captured.image.clone().try_into_dynamic().map_err(|e| e.to_string())?;
    picture.to_rgb8().save(path).map_err(|e| e.to_string())
}

fn take(
    mut commands: Commands,
    shot: Res<Shot>,
    canvas: Option<Res<Canvas>>,
    anatomy: Option<Res<Anatomy>>,
    room: Res<Room>,
    mut cameras: Query<&mut Camera, With<ScreenCamera>>,
    mut progress: ResMut<Progress>,
    mut exit: MessageWriter<AppExit>,
) {
    progress.waited += 1;
    let stage = 1 + anatomy.as_ref().map_or(0, |anatomy| 1 + usize::from(anatomy.is_settled()));
    // To whoever waits, not into what a script reads.
    STAGES.iter().take(stage).skip(progress.told).for_each(|words| eprintln!("{words} ..."));
    progress.told = progress.told.max(stage);
    if anatomy.is_some_and(|anatomy| anatomy.is_settled()) {
        progress.drawn += 1;
    }
    // Frames nobody sees are not drawn: on a software renderer one takes seconds.
    let draws = progress.drawn >= shot.frames;
    for mut camera in cameras.iter_mut().filter(|camera| camera.is_active != draws) {
        camera.is_active = draws;
    }
    if progress.drawn >= shot.frames.saturating_add(PIPELINE_FRAMES) && !progress.asked {
        progress.asked = true;
        let screenshot = match canvas {
            Some(canvas) => Screenshot::image(canvas.0.clone()),
            None => Screenshot::primary_window(),
        };
        commands.spawn(screenshot).observe(write);
    }
    if progress.waited > PATIENCE_FRAMES {
        eprintln!("no picture: {}", if room.status.is_empty() { "nothing to show" } else { &room.status });
        exit.write(AppExit::error());
    }
}

fn write(captured: On<ScreenshotCaptured>, shot: Res<Shot>, mut exit: MessageWriter<AppExit>) {
    match save(&captured, &shot.path) {
        Ok(()) => {
            println!("{}", shot.path.display());
            exit.write(AppExit::Success);
        }
        Err(wrong) => {
            eprintln!("cannot write {}: {wrong}", shot.path.display());
            exit.write(AppExit::error());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture never takes the place of another.
    #[test]
    fn pictures_have_new_names() {
        let taken = |path: &Path| ["spinor-0001.png", "spinor-0002.png"].map(Path::new).contains(&path);
        assert_eq!(free_name(taken), Some(PathBuf::from("spinor-0003.png")));
        assert_eq!(free_name(|_| true), None);
    }
}
