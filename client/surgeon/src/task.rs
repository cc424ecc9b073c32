//! What a hand is doing: small motions with an end.

use spinor_sim::ToolKind;

use crate::vector::V3;

/// Directions of a tool, in the site's frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Grip {
    /// Where the shaft points, away from the tip.
    pub(crate) shaft: V3,
    /// Where a footplate or cup points.
    pub(crate) ahead: V3,
}

impl Grip {
    /// Straight in from behind, footplate to the head.
    pub(crate) const STRAIGHT: Self = Self { shaft: [0.0, 1.0, 0.0], ahead: [0.0, 0.0, 1.0] };
}

/// How far off its place a jaw may be held and still be closed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Astray {
    /// The direction away from the nearest nerve.
    pub(crate) off: V3,
    /// How far against that direction, mm.
    pub(crate) towards_mm: f64,
    /// How far in any direction, mm.
    pub(crate) most_mm: f64,
}

/// One small motion. Positions are in the site's frame (left, back, up; mm), speeds in mm/s before skill.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Task {
    /// Takes another tool: only where nothing is near.
    Take { tool: ToolKind, size_tenth_mm: u8 },
    /// Goes somewhere in a straight line.
    Go { to: V3, grip: Grip, speed: f64, trigger: u8 },
    /// Goes back out of the wound along its shaft from wherever it is, as far as to a height along the shaft's direction, mm.
    Rise { back: f64, speed: f64, trigger: u8 },
    /// Follows a path, and waits for the tool where it lags behind by more than the first of `lag_mm`, until it stands still at the second;
    /// gives up the rest of the path where something holds the tool.
    Follow { path: Vec<V3>, grip: Grip, speed: f64, trigger: u8, lag_mm: [f64; 2], done: usize },
    /// Closes a jaw once and opens it again; not where something holds the tool farther than a bound from where the hand is.
    Squeeze { ticks: u32, astray: Astray },
    /// Stays.
    Hold { ticks: u32, trigger: u8 },
}
