//! What people point at, draw and say, as sent and recorded.

use serde::{Deserialize, Serialize};

use crate::room::is_unseen;

/// Longest text of a mark, bytes.
pub const MAX_TEXT: usize = 400;
/// Most points of a drawn line.
pub const MAX_POINTS: usize = 256;

/// Something pointed at, drawn or said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mark {
    /// A line in patient LPS, micrometres; one point is a pointer.
    Line(Vec<[i32; 3]>),
    /// Takes away what this person drew.
    Clear,
    /// Words.
    Text(String),
}

impl Mark {
    /// Bytes it takes, about.
    pub fn size(&self) -> usize {
        8 + match self {
            Self::Line(points) => 12 * points.len(),
            Self::Clear => 0,
            Self::Text(text) => text.len(),
        }
    }

    /// Whether everything is within bounds.
    pub fn is_fine(&self) -> bool {
        match self {
            Self::Line(points) => (1..=MAX_POINTS).contains(&points.len()),
            Self::Clear => true,
            Self::Text(text) => {
                !text.is_empty() && text.len() <= MAX_TEXT && !text.chars().any(|c| c.is_control() && c != '\n' || is_unseen(c))
            }
        }
    }
}
