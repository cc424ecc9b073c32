//! The binary `spinor-client`: desktop and headset.

mod camera;
mod cli;
mod desktop;
mod frames;
mod guide;
mod headless;
mod hud;
mod marks;
mod may;
mod menu;
mod pointer;
mod rack;
mod room;
mod scene;
mod shot;
mod slices;
mod sound;
mod source;
mod wish;
mod xr;

use std::fs::File;
use std::time::Duration;

use anyhow::{Context, Result};
use bevy::app::{AppExit, ScheduleRunnerPlugin};
use bevy::log::LogPlugin;
use bevy::prelude::*;
use bevy::render::RenderPlugin;
use bevy::window::{ExitCondition, PresentMode, WindowPlugin, WindowResolution};
use bevy::winit::{WinitPlugin, WinitSettings};
use clap::Parser as _;
use spinor_shared::case::Case;
use spinor_shared::file::{MAX_CASE_BYTES, read_bounded};

use cli::{Cli, Command, How};
use source::join::JoinPlugin;
use source::practice::PracticePlugin;
use source::replay::ReplayPlugin;

/// In `Update`: mouse, keys and controllers say what the hands want.
#[derive(SystemSet, Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Steer;

/// In `Update`, after [`Steer`]: what may be done is, by whoever it concerns here.
#[derive(SystemSet, Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Allow;

/// In `Update`, after [`Allow`]: the source brings [`room::Room`] and the patient up to date.
#[derive(SystemSet, Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Gather;

/// In `Update`, after [`Gather`]: everything that is seen, heard and felt follows.
#[derive(SystemSet, Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Draw;

fn main() -> std::process::ExitCode {
    match run(Cli::parse().command) {
        Ok(AppExit::Success) => std::process::ExitCode::SUCCESS,
        Ok(AppExit::Error(code)) => std::process::ExitCode::from(code.get()),
        Err(wrong) => {
            eprintln!("spinor-client: {wrong:#}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<AppExit> {
    match command {
        Command::View { case: path, cuts, how } => {
            let read = || File::open(&path).and_then(|file| read_bounded(&file, file.metadata()?.len(), MAX_CASE_BYTES));
            let bytes = read().with_context(|| format!("cannot read {}", path.display()))?;
            let case = Case::decode(&bytes).with_context(|| path.display().to_string())?;
            let name = path.file_stem().map_or(String::new(), |name| name.to_string_lossy().into_owned());
            let mut app = theatre(&how)?;
            app.add_plugins(PracticePlugin::new(case, cuts, name));
            hands(&mut app, &how);
            Ok(app.run())
        }
        Command::Join { link, headless, how } => {
            let options = source::device::options(link.parse().context("the invitation cannot be read")?)?;
            if headless {
                return Ok(headless::follow(options, how.seconds));
            }
            let mut app = theatre(&how)?;
            app.add_plugins(JoinPlugin(options));
            hands(&mut app, &how);
            Ok(app.run())
        }
        Command::Replay { recording, at, view, how } => {
            let mut app = theatre(&how)?;
            app.add_plugins(ReplayPlugin::new(recording, at, view, how.screenshot.is_some()));
            app.add_plugins(desktop::WatchPlugin);
            Ok(app.run())
        }
    }
}

/// Whether a window can be opened at all.
fn has_display() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|v| !v.is_empty());
    !cfg!(target_os = "linux") || set("DISPLAY") || set("WAYLAND_DISPLAY")
}

/// Engine, theatre, texts, sound and camera, on a window, a headset, or an image.
fn theatre(how: &How) -> Result<App> {
    println!("{}", hud::NOT_A_DEVICE);
    let windowed = how.screenshot.is_none() && has_display();
    if !windowed && how.screenshot.is_none() && !how.xr {
        anyhow::bail!("there is no display (DISPLAY is not set): use --screenshot for a picture, or --xr for a headset");
    }
    let mut app = App::new();
    let window = Window {
        title: "Spinor".to_owned(),
        resolution: WindowResolution::new(how.size[0], how.size[1]),
        // In a headset the window must never hold up the frame.
        present_mode: if how.xr { PresentMode::AutoNoVsync } else { PresentMode::AutoVsync },
        ..default()
    };
    let window = if windowed {
        WindowPlugin { primary_window: Some(window), ..default() }
    } else {
        WindowPlugin { primary_window: None, exit_condition: ExitCondition::DontExit, ..default() }
    };
    let level = if how.xr { bevy::log::Level::INFO } else { bevy::log::Level::WARN };
    let filter = "wgpu=error,naga=error,bevy_winit=error".to_owned();
    let mut plugins = DefaultPlugins.build().set(window).set(LogPlugin { level, filter, ..default() });
    if !how.xr {
        plugins = plugins.set(RenderPlugin { synchronous_pipeline_compilation: how.screenshot.is_some(), ..default() });
    }
    if !windowed {
        plugins = plugins.disable::<WinitPlugin>();
    }
    app.add_plugins(if how.xr { xr::with_openxr(plugins) } else { plugins });
    if windowed {
        app.insert_resource(WinitSettings::game());
    } else {
        app.add_plugins(ScheduleRunnerPlugin::run_loop(Duration::from_millis(1)));
    }
    app.insert_resource(Time::<Fixed>::from_hz(f64::from(spinor_sim::input::TICKS_PER_SECOND)))
        .configure_sets(Update, (Steer, Allow, Gather, Draw).chain())
        .init_resource::<room::Room>()
        .init_resource::<room::OwnBody>()
        .add_plugins((may::MayPlugin, rack::RackPlugin, menu::MenuPlugin, shot::PicturePlugin, guide::GuidePlugin))
        .add_plugins((
            camera::CameraPlugin,
            scene::theatre::TheatrePlugin,
            scene::anatomy::AnatomyPlugin,
            scene::fragments::FragmentsPlugin,
            scene::tools::ToolsPlugin,
            scene::people::PeoplePlugin,
            scene::labels::LabelsPlugin,
            scene::looks::LooksPlugin,
            marks::MarksPlugin,
            hud::HudPlugin,
            slices::SlicesPlugin,
        ));
    if how.screenshot.is_none() {
        app.add_plugins(sound::SoundPlugin);
    }
    if how.xr {
        app.add_plugins(xr::XrPlugin).add_systems(Startup, xr::panel_camera);
    }
    if let Some(path) = &how.screenshot {
        app.insert_resource(shot::Shot { path: path.clone(), frames: how.frames, size: how.size.into() })
            .add_plugins(shot::ShotPlugin);
    }
    if let Some(seconds) = how.seconds {
        // Not in `Last`: the sources read there that the end has come, and must not miss it.
        app.add_systems(Update, move |time: Res<Time<Real>>, mut exit: MessageWriter<AppExit>| {
            if time.elapsed_secs() > seconds {
                exit.write(AppExit::Success);
            }
        });
    }
    let xr = how.xr;
    app.add_systems(Startup, move |mut commands: Commands, mut images: ResMut<Assets<Image>>, shot: Option<Res<shot::Shot>>| {
        if !windowed && shot.is_none() {
            return;
        }
        let target = shot.map(|shot| shot::canvas(&mut commands, &mut images, shot.size));
        let camera = camera::spawn(&mut commands, target);
        if !xr {
            commands.insert_resource(hud::HudCamera(camera));
        }
    });
    if let Some(page) = how.menu {
        let open =
            move |anatomy: Option<Res<scene::anatomy::Anatomy>>, mut wishes: MessageWriter<wish::Wish>, mut done: Local<bool>| {
                if anatomy.is_some() && !*done {
                    *done = true;
                    wishes.write(wish::Wish::Menu(page));
                }
            };
        app.add_systems(Update, open.in_set(Steer));
    }
    if let Some(at) = how.camera {
        app.add_systems(
            Update,
            move |mut eye: ResMut<camera::Eye>, anatomy: Option<Res<scene::anatomy::Anatomy>>, mut done: Local<bool>| {
                let Some(anatomy) = anatomy.filter(|_| !*done) else { return };
                *done = true;
                let [yaw, pitch, mm] = at.orbit;
                (eye.yaw, eye.pitch, eye.distance) = (yaw.to_radians(), pitch.to_radians(), mm * 1e-3);
                if let Some(target) = at.target_mm {
                    eye.target = anatomy.frame.world_from_patient(target);
                }
            },
        );
    }
    Ok(app)
}

/// Mouse and keys hold a tool, unless controllers do or nobody sits there.
fn hands(app: &mut App, how: &How) {
    if !how.xr && how.screenshot.is_none() {
        app.add_plugins(desktop::DesktopPlugin);
    }
}
