//! Everything a person can ask for, whichever way: keys, mouse, menu, controllers.
//!
//! Whoever reads an input writes a [`Wish`]. Those that role and moment allow become a [`Granted`] in the same frame, and whoever is
//! concerned carries them out; the others are answered with the reason ([`crate::may`]).

use bevy::prelude::*;
use spinor_sim::procedure::Procedure;
use spinor_sim::{Hand, ToolKind, UserId};
use spinor_volume::TissueClass;

use crate::menu::Page;

/// What to show otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// All structures of a tissue.
    Class(TissueClass),
    /// One structure, by its place in the patient.
    Structure(u16),
}

/// Something that somebody asks for.
#[derive(Message, Clone, Debug, PartialEq)]
pub(crate) enum Wish {
    /// Take a tool from the rack.
    Take(Hand, ToolKind),
    /// Take the next tool of the rack (or the one before).
    NextTool(Hand, i8),
    /// Put the hand's tool away.
    PutAway(Hand),
    /// A larger (or smaller) size of the hand's tool, by steps.
    Resize(Hand, i8),
    /// Let the mouse move the other hand; this one stays where it is.
    OtherHand,
    /// Hold the pedal down, or let it go.
    Pedal,

    /// Stop all tools, or let them go again.
    Freeze,
    /// Stop the room's time, or let it go on.
    Pause,
    /// Give somebody the right to operate, or take it.
    Right {
        /// Whose.
        user: UserId,
        /// Whether to give it.
        give: bool,
    },
    /// Hand the tool of a hand over to somebody.
    Pass {
        /// The hand.
        hand: Hand,
        /// To whom.
        to: UserId,
    },
    /// Take the patient back by seconds.
    GoBack(u32),
    /// Set the alarm's thresholds, mm: caution, danger.
    Alarm([f32; 2]),

    /// Let the room follow a procedure at the level and side that one's own menu names; or none.
    Follow(Option<Procedure>),
    /// Another level, in one's own menu, for the next procedure.
    NextLevel,
    /// The other side for it.
    NextSide,
    /// Show or hide the guidance.
    Guidance,
    /// Measure canal, facets, pars and foramina as they are now.
    Measure,

    /// Point at a place in the theatre.
    Point(Vec3),
    /// Draw a line in the theatre.
    Draw(Vec<Vec3>),
    /// Take away what oneself has drawn.
    ClearMarks,
    /// Say something to everybody, in writing.
    Say(String),

    /// Look through the next person's eyes.
    NextView,
    /// Look with the free camera again.
    FreeView,
    /// Show or hide the slices.
    Slices,
    /// Show the other image in the slices.
    OtherImage,
    /// The next preset of the slices' window.
    NextWindow,
    /// Brighter or darker slices, by steps.
    Level(i8),
    /// Harder or softer contrast in the slices, by steps.
    Width(i8),
    /// Show something solid, see through, or not at all: the next of these.
    NextLook(Target),
    /// Show everything solid again.
    ResetLooks,
    /// Write the picture to a file.
    Picture,

    /// Open or close the help.
    Help,
    /// Open the menu on a page, or close it where it is on that page.
    Menu(Page),
    /// Another page of the menu.
    MenuPage(i8),
    /// Another row of the menu.
    MenuMove(i8),
    /// Do what the menu's row says.
    MenuPick,
    /// Close whatever lies over the picture.
    Close,

    /// Go on playing, or stop.
    Play,
    /// Seconds forward or back in a recording.
    Skip(f64),
    /// To the start (false) or the end of a recording.
    Ends(bool),
    /// Faster or slower.
    Speed(i8),
    /// To the next (or last) moment at which an alarm rose or something was hurt.
    Moment(bool),
}

impl Wish {
    /// What is asked for, for the answer that it cannot be.
    pub(crate) const fn what(&self) -> &'static str {
        match self {
            Self::Take(..) | Self::NextTool(..) => "take a tool",
            Self::PutAway(_) => "put the tool away",
            Self::Resize(..) => "another size",
            Self::OtherHand => "the other hand",
            Self::Pedal => "hold the pedal",
            Self::Freeze => "freeze",
            Self::Pause => "pause",
            Self::Right { give: true, .. } => "give the tool",
            Self::Right { give: false, .. } => "take the tool",
            Self::Pass { .. } => "hand the tool over",
            Self::GoBack(_) => "go back",
            Self::Alarm(_) => "set the alarm",
            Self::Follow(_) | Self::NextLevel | Self::NextSide => "procedure",
            Self::Guidance => "guidance",
            Self::Measure => "measure",
            Self::Point(_) => "point",
            Self::Draw(_) | Self::ClearMarks => "draw",
            Self::Say(_) => "say",
            Self::NextView | Self::FreeView => "view",
            Self::Slices | Self::OtherImage | Self::NextWindow | Self::Level(_) | Self::Width(_) => "slices",
            Self::NextLook(_) | Self::ResetLooks => "structures",
            Self::Picture => "picture",
            Self::Help | Self::Menu(_) | Self::MenuPage(_) | Self::MenuMove(_) | Self::MenuPick | Self::Close => "menu",
            Self::Play | Self::Skip(_) | Self::Ends(_) | Self::Speed(_) | Self::Moment(_) => "play",
        }
    }
}

/// A wish that may be carried out.
#[derive(Message, Clone, Debug, PartialEq)]
pub(crate) struct Granted(pub(crate) Wish);
