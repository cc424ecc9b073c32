//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::menu::Page;
use crate::room::Mode;
use crate::source::practice::PreCut;
use crate::source::replay::At;

/// The client of Spinor: desktop and headset.
#[derive(Debug, Parser)]
#[command(
    name = "spinor-client",
    version,
    about,
    after_help = "\
Examples:
  spinor-client join 'spinor://or.example:4433/OR1#...'            at the desktop, or in the headset that answers with --xr
  spinor-client view patient.spinor                                a case on one's own
  spinor-client replay monday.spinrec --at 00:04:12 --view Ada     through Ada's eyes
For education and rehearsal. Not a medical device."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to show.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Look at a case on one's own; tools work, nothing is stored.
    #[command(after_help = "\
Examples:
  spinor-client view patient.spinor
  spinor-client view patient.spinor --camera=20,45,300 --screenshot patient.png        a picture, without a display")]
    View {
        /// The case.
        case: PathBuf,
        /// Show it after a cut: x,y,z:x,y,z:radius[:bfdn] in patient LPS mm, for bone, flavum, disc, neural. May be repeated.
        #[arg(long = "cut", value_name = "A:B:R", allow_hyphen_values = true)]
        cuts: Vec<PreCut>,
        #[command(flatten)]
        how: How,
    },
    /// Enter a room.
    #[command(after_help = "\
Examples:
  spinor-client join 'spinor://or.example:4433/OR1#...'              the link as `spinor invite` printed it, in quotes
  spinor-client join 'spinor://or.example:4433/OR1#...' --xr         in the headset
  spinor-client join 'spinor://or.example:4433/OR1#...' --headless   no picture: who comes and goes, what is said")]
    Join {
        /// The invitation.
        link: String,
        /// No picture at all: follow the room and print what is said.
        #[arg(long, conflicts_with_all = ["desktop", "xr", "screenshot"])]
        headless: bool,
        #[command(flatten)]
        how: How,
    },
    /// Play a recording.
    #[command(after_help = "\
Examples:
  spinor-client replay monday.spinrec
  spinor-client replay monday.spinrec --at 00:04:12 --view Ada                         through Ada's eyes
  spinor-client replay monday.spinrec --at 00:04:12 --screenshot wound.png             a picture, without a display")]
    Replay {
        /// The recording.
        recording: PathBuf,
        /// Start there.
        #[arg(long, default_value = "0", value_name = "HH:MM:SS")]
        at: At,
        /// `free`, or the name of the person through whose eyes to look.
        #[arg(long, default_value = "free", value_name = "free|NAME")]
        view: String,
        #[command(flatten)]
        how: How,
    },
}

/// On what to show it.
#[derive(Clone, Debug, Args)]
pub(crate) struct How {
    /// In a window (default).
    #[arg(long)]
    pub(crate) desktop: bool,
    /// In the headset; falls back to the window when no OpenXR runtime answers.
    #[arg(long, conflicts_with = "desktop")]
    pub(crate) xr: bool,
    /// Write one picture and end; needs no display.
    #[arg(long, value_name = "PNG")]
    pub(crate) screenshot: Option<PathBuf>,
    /// Frames that pass before the picture once everything is there.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) frames: u32,
    /// Size of window or picture.
    #[arg(long, default_value = "1280x720", value_parser = size, value_name = "WxH")]
    pub(crate) size: [u32; 2],
    /// The free camera: yaw and pitch in degrees, distance in mm, and optionally what it looks at, LPS mm: 20,45,400,x,y,z
    #[arg(long, value_parser = camera, allow_hyphen_values = true, value_name = "YAW,PITCH,MM[,X,Y,Z]")]
    pub(crate) camera: Option<CameraAt>,
    /// Open a page of the menu at the start: tools, room, procedure, measures, alarm, structures, picture, case, play.
    #[arg(long, value_parser = page, value_name = "PAGE")]
    pub(crate) menu: Option<Page>,
    /// End after so many seconds.
    #[arg(long, value_name = "S", value_parser = after)]
    pub(crate) seconds: Option<f32>,
}

/// Where the free camera starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct CameraAt {
    /// Degrees around the vertical and above the horizon, and distance in mm.
    pub(crate) orbit: [f32; 3],
    /// What it looks at, LPS mm.
    pub(crate) target_mm: Option<[f64; 3]>,
}

fn size(text: &str) -> Result<[u32; 2], String> {
    let edge = |text: &str| text.parse().ok().filter(|n| (64..=4096).contains(n));
    let both = text.split_once('x').and_then(|(w, h)| Some([edge(w)?, edge(h)?]));
    both.ok_or_else(|| format!("'{text}' is no size: 64x64 to 4096x4096"))
}

fn page(text: &str) -> Result<Page, String> {
    let pages = || [Page::all(Mode::Film), Page::all(Mode::Shared)].into_iter().flatten();
    pages().find(|page| page.title() == text).copied().ok_or_else(|| {
        let titles: std::collections::BTreeSet<&str> = pages().map(|page| page.title()).collect();
        format!("'{text}' is no page: {}", titles.into_iter().collect::<Vec<_>>().join(", "))
    })
}

fn after(text: &str) -> Result<f32, String> {
    let seconds = text.parse().ok().filter(|s: &f32| s.is_finite() && *s >= 0.0);
    seconds.ok_or_else(|| format!("'{text}' is no number of seconds"))
}

fn camera(text: &str) -> Result<CameraAt, String> {
    let values: Option<Vec<f64>> = text.split(',').map(|v| v.trim().parse().ok().filter(|v: &f64| v.is_finite())).collect();
    match values.as_deref() {
        Some([yaw, pitch, mm]) => Ok(CameraAt { orbit: [*yaw, *pitch, *mm].map(|v| v as f32), target_mm: None }),
        Some([yaw, pitch, mm, x, y, z]) => {
            Ok(CameraAt { orbit: [*yaw, *pitch, *mm].map(|v| v as f32), target_mm: Some([*x, *y, *z]) })
        }
        _ => Err(format!("'{text}' is not YAW,PITCH,MM or YAW,PITCH,MM,X,Y,Z")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
        let cli =
            Cli::try_parse_from(["spinor-client", "replay", "a.spinrec", "--at", "00:04:12", "--screenshot", "a.png"]).unwrap();
        let Command::Replay { at, how, view, .. } = cli.command else { panic!() };
        assert_eq!((at, how.frames, view.as_str()), (At(252.0), 12, "free"));
        assert!(Cli::try_parse_from(["spinor-client", "view", "a.spinor", "--xr", "--desktop"]).is_err());
        assert!(Cli::try_parse_from(["spinor-client", "view", "a.spinor", "--size", "9x9"]).is_err());
        assert!(Cli::try_parse_from(["spinor-client", "replay", "a.spinrec", "--at", "00:99:00"]).is_err());
        assert_eq!((page("play"), page("measures")), (Ok(Page::Film), Ok(Page::Measures)));
        assert!(page("film").is_err_and(|why| why.contains("procedure")));
        assert_eq!(camera("20,45,400,-1,2,3").unwrap().target_mm, Some([-1.0, 2.0, 3.0]));
    }
}
