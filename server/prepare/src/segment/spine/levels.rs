//! Names of the vertebrae, counted from the lowest.

use spinor_volume::Label;

use super::column::Column;
use super::{Guide, SpineError};
use crate::schemes::{disc_below, vertebra_from_level};

/// A name that no vertebra has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no vertebra above the sacrum; C1-C7, T1-T12 and L1-L6 are")]
pub struct NotALevel {
    /// What was given.
    pub text: String,
}

/// The label of a vertebra written `L5` or `t12`.
///
/// # Errors
/// When it names none.
pub fn vertebra(text: &str) -> Result<Label, NotALevel> {
    let label = vertebra_from_level(&text.trim().to_ascii_lowercase());
    label.filter(|l| l.0 != 47).ok_or_else(|| NotALevel { text: text.to_owned() })
}

/// Names of a column's stretches, and what must be said about them.
pub(super) struct Named {
    names: Vec<Label>,
    /// What a reader must know.
    pub(super) notes: Vec<String>,
}

impl Named {
    /// Label number of the bone of stretch `n`.
    pub(super) fn bone(&self, n: usize) -> u16 {
        self.names.get(n).map_or(0, |l| l.0)
    }

    /// Label number of the disc below stretch `n`, or 0 where there is none (within the sacrum).
    pub(super) fn disc_below(&self, n: usize) -> u16 {
        let upper = self.names.get(n).copied().filter(|l| *l != Label::SACRUM);
        let lower = n.checked_sub(1).and_then(|n| self.names.get(n));
        match (upper, lower) {
            (Some(upper), Some(lower)) if upper == Label::lumbar(5) && *lower == Label::lumbar(6) => Label(96).0,
            (Some(upper), _) if upper == Label::lumbar(6) => Label::disc_below(5).0,
            (Some(upper), _) => disc_below(upper).map_or(0, |l| l.0),
            _ => 0,
        }
    }
}

/// Names all stretches: the sacrum's as such, the others upwards from `lowest`, or from L5.
///
/// # Errors
/// When there are more vertebrae than names.
pub(super) fn name(column: &Column, lowest: Option<Label>, guide: Guide<'_>) -> Result<Named, SpineError> {
    let first = lowest.unwrap_or(Label::lumbar(5));
    let mut notes = Vec::new();
    let mut names = Vec::with_capacity(column.stretches.len());
    let mut next = Some(first);
    let kept = column.stretches.iter().filter(|s| s.kept && !s.sacral).count();
    // A sliver below the lowest vertebra in view has no name, or another would carry its.
    let begin = column.stretches.iter().position(|s| s.kept && !s.sacral).unwrap_or(0);
    for (n, stretch) in column.stretches.iter().enumerate() {
        if stretch.sacral {
            names.push(Label::SACRUM);
        } else if n < begin {
            names.push(Label::BACKGROUND);
        } else {
            let Some(label) = next else {
                // What is cut off at the top needs no name.
                if !stretch.kept {
                    names.push(Label::BACKGROUND);
                    continue;
                }
                return Err(SpineError::TooMany { found: kept, lowest: first.level().unwrap_or_default() });
            };
            names.push(label);
            next = above(label);
        }
    }
    let called = first.level().unwrap_or_default();
    if lowest.is_some() {
        notes.push(format!("The levels are counted upwards from {called}, as was told."));
    } else if column.sacrum_seen {
        notes.push(
            "Levels are counted upwards from the sacrum that the model found, its neighbour as L5: a sixth lumbar vertebra, a transitional \
             one or a mistaken sacrum shifts all names. Check them against the ribs; --lowest gives the lowest vertebra's name."
                .to_owned(),
        );
    } else {
        notes.push(
            "LEVELS ARE ASSUMED: no sacrum was found, so the lowest vertebra in view was called L5 and every level may be wrong. Check them, \
             and prepare again with --lowest and the lowest vertebra's name."
                .to_owned(),
        );
    }
    let guessed: Vec<String> = (0..names.len())
        .filter(|n| column.stretches[*n].guessed)
        .map(|n| names.get(n + 1).and_then(|l| l.level()).unwrap_or_default())
        .collect();
    if !guessed.is_empty() {
        let place = match guide {
            Guide::Ct(_) => "where the CT is least dense",
            Guide::Mr => "where the model found least of a body, or half-way",
        };
        notes.push(format!(
            "No disc was found below {}: the vertebrae were parted {place}, which may also shift the levels.",
            guessed.join(", ")
        ));
    }
    Ok(Named { names, notes })
}

/// The vertebra above another; none above C1.
fn above(label: Label) -> Option<Label> {
    Some(Label(match label.0 {
        41 => 32,
        21 => 17,
        11 => return None,
        n => n - 1,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names run from L6 to C1 without a gap, and only vertebrae can be named.
    #[test]
    fn levels_follow_each_other() {
        let mut names = Vec::new();
        let mut next = Some(vertebra("l6").unwrap());
        while let Some(label) = next {
            names.push(label.level().unwrap());
            next = above(label);
        }
        assert_eq!(names.len(), 6 + 12 + 7);
        assert_eq!((names[6].as_str(), names[18].as_str(), names[24].as_str()), ("T12", "C7", "C1"));
        assert!(vertebra("S1").is_err() && vertebra("L7").is_err() && vertebra("5").is_err());
    }

    /// With six lumbar vertebrae the disc below L5 is another than the one above the sacrum.
    #[test]
    fn a_sixth_lumbar_vertebra_has_a_disc_of_its_own() {
        let named = Named { names: vec![Label::SACRUM, Label::lumbar(6), Label::lumbar(5), Label::lumbar(4)], notes: Vec::new() };
        assert_eq!([named.disc_below(1), named.disc_below(2), named.disc_below(3), named.disc_below(0)], [100, 96, 95, 0]);
        let five = Named { names: vec![Label::SACRUM, Label::lumbar(5), Label(32)], notes: Vec::new() };
        assert_eq!([five.disc_below(1), five.disc_below(2)], [100, 91]);
    }
}
