//! Who is in a room and what they may do.

use serde::{Deserialize, Serialize};

/// Longest name of a person, bytes of UTF-8.
pub const MAX_NAME: usize = 48;
/// Longest name of a room, bytes of UTF-8.
pub const MAX_ROOM: usize = 32;
/// Most people in one room.
pub const MAX_PEOPLE: usize = 32;

/// A person's role, fixed by the invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Role {
    /// Directs: freezes, gives and takes tools, sets the alarm, pauses, and operates.
    Attending = 0,
    /// Operates while holding the right to.
    Resident = 1,
    /// Watches from anywhere, points and talks; never operates.
    Mentor = 2,
    /// Watches.
    Observer = 3,
}

impl Role {
    /// All roles in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Attending, Self::Resident, Self::Mentor, Self::Observer];

    /// The role's name as it is written on command lines and shown.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Attending => "attending",
            Self::Resident => "resident",
            Self::Mentor => "mentor",
            Self::Observer => "observer",
        }
    }

    /// The role of a word; none for any other.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }

    /// Whether this role may hold a tool that takes tissue at all.
    pub const fn may_operate(self) -> bool {
        matches!(self, Self::Attending | Self::Resident)
    }

    /// Whether this role directs the room: freeze, pause, tools, alarm.
    pub const fn may_direct(self) -> bool {
        matches!(self, Self::Attending)
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

impl std::str::FromStr for Role {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Self::from_word(word).ok_or_else(|| format!("'{word}' is no role: attending, resident, mentor or observer"))
    }
}

/// Whether `name` can be shown: not empty, not too long, no control characters, nothing that cannot be seen or turns the text around it.
pub fn is_name(name: &str, longest: usize) -> bool {
    !name.trim().is_empty() && name.len() <= longest && !name.chars().any(|c| c.is_control() || is_unseen(c))
}

/// Whether `name` can be a room's: a name without what parts a link, a folder or a file's ending.
pub fn is_room_name(name: &str) -> bool {
    is_name(name, MAX_ROOM) && !name.contains(['/', '\\', '#', '.'])
}

/// Marks and overrides of direction, separators of lines, and what has no width: with them a name looks like another one. The joiners that
/// some scripts need within words are none of them.
pub(crate) fn is_unseen(c: char) -> bool {
    matches!(c,
        '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only an attending directs, and those who watch never operate.
    #[test]
    fn roles_are_told_apart() {
        assert!(Role::ALL.iter().all(|role| Role::from_word(role.word()) == Some(*role)));
        assert_eq!(Role::ALL.map(Role::may_direct), [true, false, false, false]);
        assert_eq!(Role::ALL.map(Role::may_operate), [true, true, false, false]);
        assert!("surgeon".parse::<Role>().is_err());
    }

    #[test]
    fn names_that_cannot_be_shown_are_refused() {
        assert!(is_name("Dr. Ölander", MAX_NAME));
        // A Persian name with the joiner that it is written with.
        assert!(is_name("علی\u{200C}رضا", MAX_NAME));
        for unseen in ['\u{202E}', '\u{2066}', '\u{200F}', '\u{2028}', '\u{200B}', '\u{FEFF}', '\u{E0041}'] {
            assert!(!is_name(&format!("Dr. {unseen}relsO"), MAX_NAME), "{unseen:?}");
        }
        assert!(!is_name(" ", MAX_NAME) && !is_name("a\u{1b}[2J", MAX_NAME) && !is_name(&"x".repeat(49), MAX_NAME));
    }
}
