//! A mentor's rating: the global rating scale of OSATS (Martin 1997, Br J Surg 84:273; Reznick 1997), filled in by a person and merged in.
//!
//! The file is JSON; `docs/ASSESSMENT.md` describes it. It names nobody: the rater is a role, the rated person the number in the recording.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use spinor_shared::room::Role;
use thiserror::Error;

/// What the form calls itself.
pub const SCHEMA: &str = "spinor-osats-1";
/// Longest form that is read, bytes.
pub const MAX_BYTES: usize = 64 * 1_024;
/// Longest comment, characters.
const MAX_COMMENT: usize = 4_000;

/// The seven items with what 1, 3 and 5 stand for.
pub const ITEMS: [Item; 7] = [
    Item {
        key: "respect_for_tissue",
        name: "Respect for tissue",
        anchors: [
            "Often used unnecessary force or caused damage by inappropriate use of instruments",
            "Careful handling of tissue, occasionally caused inadvertent damage",
            "Consistently handled tissue appropriately with minimal damage",
        ],
    },
    Item {
        key: "time_and_motion",
        name: "Time and motion",
        anchors: [
            "Many unnecessary moves",
            "Efficient, but some unnecessary moves",
            "Economy of movement and maximum efficiency",
        ],
    },
    Item {
        key: "instrument_handling",
        name: "Instrument handling",
        anchors: [
            "Repeatedly made tentative or awkward moves with instruments",
            "Competent use of instruments, occasionally stiff or awkward",
            "Fluid moves with instruments and no awkwardness",
        ],
    },
    Item {
        key: "knowledge_of_instruments",
        name: "Knowledge of instruments",
        anchors: [
            "Frequently asked for the wrong instrument or used an inappropriate one",
            "Knew most instruments and used the appropriate one",
            "Obviously familiar with the instruments required",
        ],
    },
    Item {
        key: "use_of_assistants",
        name: "Use of assistants",
        anchors: [
            "Consistently placed assistants poorly or failed to use them",
            "Good use of assistants most of the time",
            "Strategically used assistants to the best advantage at all times",
        ],
    },
    Item {
        key: "flow_of_operation",
        name: "Flow of operation and forward planning",
        anchors: [
            "Frequently stopped operating or needed to discuss the next move",
            "Some forward planning with steady progression",
            "Obviously planned the course of the operation, effortless flow from one move to the next",
        ],
    },
    Item {
        key: "knowledge_of_procedure",
        name: "Knowledge of the specific procedure",
        anchors: [
            "Deficient knowledge, needed specific instruction at most steps",
            "Knew all important aspects of the operation",
            "Familiar with all aspects of the operation",
        ],
    },
];

/// One item of the scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its key in the form.
    pub key: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What 1, 3 and 5 stand for.
    pub anchors: [&'static str; 3],
}

/// Why a form is refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum OsatsError {
    /// Longer than any form.
    #[error("a form of {0} bytes is longer than {MAX_BYTES}")]
    TooLong(usize),
    /// No JSON of this shape.
    #[error("the form cannot be read: {0}")]
    Json(String),
    /// Another schema.
    #[error("the form says schema '{0}', this program reads '{SCHEMA}'")]
    Schema(String),
    /// A rater who is no role.
    #[error("'rater_role' is attending, resident, mentor or observer: a role, never a name")]
    Role,
    /// An item that the scale lacks.
    #[error("'{0}' is no item of the scale")]
    Unknown(String),
    /// An item without a rating.
    #[error("'{0}' has no rating: each of the seven items needs a whole number from 1 to 5")]
    Missing(&'static str),
    /// A rating that is not on the scale.
    #[error("'{0}' is rated {1}: the scale goes from 1 to 5")]
    Range(String, i64),
    /// A comment longer than a page.
    #[error("the comment has {0} characters, at most {MAX_COMMENT} are kept")]
    Comment(usize),
}

/// A filled-in form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Osats {
    /// The rater's role.
    pub rater_role: String,
    /// Number of the person who was rated; none for the whole team.
    pub rated_user: Option<u32>,
    /// Ratings, 1-5, by item.
    pub items: BTreeMap<String, u8>,
    /// Their sum, 7-35.
    pub total: u32,
    /// In the rater's words.
    pub comment: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    schema: String,
    rater_role: String,
    #[serde(default)]
    rated_user: Option<u32>,
    items: BTreeMap<String, Option<i64>>,
    #[serde(default)]
    comment: String,
    #[serde(default, rename = "help")]
    _help: serde_json::Value,
}

/// Reads and checks a form.
///
/// # Errors
/// When it is none, or not all seven items are rated from 1 to 5.
pub fn parse(bytes: &[u8]) -> Result<Osats, OsatsError> {
    if bytes.len() > MAX_BYTES {
        return Err(OsatsError::TooLong(bytes.len()));
    }
    // Some editors put a mark before UTF-8.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let form: Form = serde_json::from_slice(bytes).map_err(|e| OsatsError::Json(e.to_string()))?;
    if form.schema != SCHEMA {
        return Err(OsatsError::Schema(form.schema));
    }
    if Role::from_word(&form.rater_role).is_none() {
        return Err(OsatsError::Role);
    }
    if let Some(unknown) = form.items.keys().find(|key| ITEMS.iter().all(|item| item.key != key.as_str())) {
        return Err(OsatsError::Unknown(unknown.clone()));
    }
    let mut items = BTreeMap::new();
    for item in &ITEMS {
        let rating = form.items.get(item.key).copied().flatten().ok_or(OsatsError::Missing(item.key))?;
        let fits = u8::try_from(rating).ok().filter(|r| (1..=5).contains(r));
        items.insert(item.key.to_owned(), fits.ok_or_else(|| OsatsError::Range(item.key.to_owned(), rating))?);
    }
    let long = form.comment.chars().count();
    if long > MAX_COMMENT {
        return Err(OsatsError::Comment(long));
    }
    let total = items.values().map(|r| u32::from(*r)).sum();
    Ok(Osats { rater_role: form.rater_role, rated_user: form.rated_user, items, total, comment: form.comment })
}

/// Whether a form has no rating and no comment; false for what is no form.
pub fn is_empty(bytes: &[u8]) -> bool {
    let Ok(form) = serde_json::from_slice::<serde_json::Value>(bytes) else { return false };
    let unrated = form["items"].as_object().is_some_and(|items| items.values().all(serde_json::Value::is_null));
    unrated && form["comment"].as_str() == Some("")
}

/// An empty form to fill in, with what the ratings stand for.
pub fn template() -> String {
    let items: serde_json::Map<_, _> = ITEMS.iter().map(|i| (i.key.to_owned(), serde_json::Value::Null)).collect();
    let help: serde_json::Map<_, _> = ITEMS
        .iter()
        .map(|i| {
            let [one, three, five] = i.anchors;
            (i.key.to_owned(), serde_json::json!({ "name": i.name, "1": one, "3": three, "5": five }))
        })
        .collect();
    let form = serde_json::json!({
        "schema": SCHEMA,
        "rater_role": "mentor",
        "rated_user": null,
        "items": items,
        "comment": "",
        "help": help,
    });
    format!("{form:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(rating: i64) -> serde_json::Value {
        let mut form: serde_json::Value = serde_json::from_str(&template()).unwrap();
        for item in &ITEMS {
            form["items"][item.key] = rating.into();
        }
        form
    }

    fn read(form: &serde_json::Value) -> Result<Osats, OsatsError> {
        parse(form.to_string().as_bytes())
    }

    /// A form counts as empty only where nobody wrote into it, readable or not; the rater is a role, and a mark before the text is none.
    #[test]
    fn what_somebody_wrote_is_told_from_nothing() {
        assert!(is_empty(template().as_bytes()));
        let comma = template().replace("\"comment\"", ",\"comment\"");
        for written in [filled(4).to_string(), comma, "{".to_owned(), "{}".to_owned()] {
            assert!(!is_empty(written.as_bytes()), "{written}");
        }
        let marked = [b"\xef\xbb\xbf", filled(4).to_string().as_bytes()].concat();
        assert!(parse(&marked).is_ok());
        let mut named = filled(4);
        named["rater_role"] = "Dr. Osler".into();
        assert_eq!(read(&named), Err(OsatsError::Role));
    }

    /// The template is refused while it is empty and accepted once all seven items are rated.
    #[test]
    fn the_template_can_be_filled_in() {
        assert_eq!(parse(template().as_bytes()), Err(OsatsError::Missing("respect_for_tissue")));
        let osats = read(&filled(4)).unwrap();
        assert_eq!((osats.total, osats.items.len(), osats.rated_user), (28, 7, None));
    }

    /// What is not on the scale, not in it, or not a form at all is refused with the reason.
    #[test]
    fn wrong_forms_are_refused() {
        for (rating, wrong) in [(0, 0), (6, 6), (-1, -1), (i64::MAX, i64::MAX)] {
            assert_eq!(read(&filled(rating)), Err(OsatsError::Range("respect_for_tissue".into(), wrong)));
        }
        let mut form = filled(3);
        form["items"]["bedside_manner"] = 5.into();
        assert_eq!(read(&form), Err(OsatsError::Unknown("bedside_manner".into())));
        let mut form = filled(3);
        form["schema"] = "other".into();
        assert_eq!(read(&form), Err(OsatsError::Schema("other".into())));
        let mut form = filled(3);
        form["name_of_rater"] = "Dr. Somebody".into();
        assert!(matches!(read(&form), Err(OsatsError::Json(_))));
        let mut form = filled(3);
        form["comment"] = "x".repeat(4_001).into();
        assert_eq!(read(&form), Err(OsatsError::Comment(4_001)));
        assert!(matches!(parse(b"[1"), Err(OsatsError::Json(_))));
        assert_eq!(parse(&vec![b' '; MAX_BYTES + 1]), Err(OsatsError::TooLong(MAX_BYTES + 1)));
    }
}
