//! Statements for a learning record store, in the shape of ADL's xAPI 1.0.3.
//!
//! Nobody is named: an actor is an account `user-N` of the recording, and only a hospital can say who that was. Identifiers follow from the
//! recording, so that sending the same recording twice adds nothing twice.

use serde_json::{Map, Value, json};

use crate::gather::Session;
use crate::metrics::Metrics;

/// Version of the specification that a store is told.
pub const VERSION: &str = "1.0.3";
/// Where our own verbs, activities and extensions are named. It resolves to nothing, by the rules of `.invalid`.
const BASE: &str = "https://spinor.invalid/xapi";
const ADL: &str = "http://adlnet.gov/expapi";

/// All statements of a session, in the order of time: an array as `POST /statements` takes it.
pub fn statements(session: &Session, metrics: &Metrics) -> Value {
    let writer = Writer { session, metrics };
    let mut all = Vec::new();
    for phase in &metrics.phases {
        if phase.removed_mm3.is_empty() && phase.activity != crate::phases::Activity::Probing {
            continue;
        }
        let mut result = json!({ "duration": duration(phase.seconds), "extensions": {} });
        for (class, mm3) in &phase.removed_mm3 {
            result["extensions"][format!("{BASE}/extensions/removed_{class}_mm3")] = json!(mm3);
        }
        let at = phase.start_s + phase.seconds;
        let name = phase
            .level
            .as_ref()
            .map_or_else(|| phase.activity.word().to_owned(), |l| format!("{} at {l}", phase.activity.word()));
        let object = activity(&format!("phase/{}", phase.activity.key()), &name, "performance");
        all.push(writer.statement(at, None, ("completed", "completed"), object, Some(result)));
    }
    for contact in &metrics.safety.contacts {
        let mut extensions = Map::new();
        extensions.insert(format!("{BASE}/extensions/deepest_mm"), json!(contact.deepest_mm));
        extensions.insert(format!("{BASE}/extensions/active"), json!(contact.active));
        extensions.insert(format!("{BASE}/extensions/tool"), json!(contact.tool));
        extensions.insert(format!("{BASE}/extensions/proposed"), json!(metrics.is_proposed(&contact.structure)));
        let result = json!({ "duration": duration(contact.seconds), "extensions": extensions });
        let object = activity(&format!("structure/{}", contact.structure), &contact.structure, "interaction");
        all.push(writer.statement(contact.start_s, Some(contact.by.user.0), ("interacted", "touched"), object, Some(result)));
    }
    for (tick, user) in session.people.keys().map(|user| (session.ticks[1], *user)) {
        let object = activity("session", "Rehearsal of spine surgery", "simulation");
        all.push(writer.statement(session.seconds(tick), Some(user), ("attended", "attended"), object, None));
    }
    all.push(writer.statement(
        metrics.duration_s,
        None,
        ("completed", "completed"),
        activity("session", "Rehearsal of spine surgery", "simulation"),
        Some(outcome(metrics)),
    ));
    if let Some(osats) = &metrics.osats {
        let mut extensions = Map::new();
        for (item, rating) in &osats.items {
            extensions.insert(format!("{BASE}/extensions/osats_{item}"), json!(rating));
        }
        let scaled = (f64::from(osats.total) - 7.0) / 28.0;
        let score = json!({ "raw": osats.total, "min": 7, "max": 35, "scaled": scaled });
        let object = activity("osats", "OSATS global rating scale", "assessment");
        let result = json!({ "score": score, "extensions": extensions });
        all.push(writer.statement(metrics.duration_s, osats.rated_user, ("scored", "was rated"), object, Some(result)));
    }
    all.sort_by(|a, b| a["timestamp"].as_str().cmp(&b["timestamp"].as_str()));
    let mut all = Value::Array(all);
    crate::number::round_all(&mut all);
    all
}

fn outcome(metrics: &Metrics) -> Value {
    let mut extensions = Map::new();
    for (key, value) in metrics.figures.iter().filter_map(|(key, value)| Some((key, (*value)?))) {
        extensions.insert(format!("{BASE}/extensions/{key}"), json!(value));
    }
    let proposed: Vec<&str> = metrics.proposed.keys().filter_map(|path| path.strip_prefix("figures.")).collect();
    extensions.insert(format!("{BASE}/extensions/proposed"), json!(proposed));
    let mut result = json!({ "duration": duration(metrics.duration_s), "completion": true, "extensions": extensions });
    if let Some(safety) = metrics.score.safety {
        result["score"] = json!({ "scaled": safety / 100.0, "raw": safety, "min": 0, "max": 100 });
    }
    result
}

fn activity(id: &str, name: &str, kind: &str) -> Value {
    let of_adl = matches!(kind, "simulation" | "performance" | "interaction" | "assessment");
    let base = if of_adl { ADL.to_owned() } else { BASE.to_owned() };
    json!({
        "objectType": "Activity",
        "id": format!("{BASE}/activities/{id}"),
        "definition": { "name": { "en": name }, "type": format!("{base}/activities/{kind}") },
    })
}

struct Writer<'a> {
    session: &'a Session,
    metrics: &'a Metrics,
}

impl Writer<'_> {
    /// A statement about one person, or about everybody where `user` is none.
    fn statement(&self, at_s: f64, user: Option<u32>, verb: (&str, &str), object: Value, result: Option<Value>) -> Value {
        let account = |name: String| json!({ "homePage": format!("{BASE}/sessions/{}", self.registration()), "name": name });
        let actor = match user {
            Some(user) => json!({ "objectType": "Agent", "account": account(format!("user-{user}")) }),
            None => json!({ "objectType": "Group", "account": account("team".to_owned()) }),
        };
        let mut statement = json!({
            "actor": actor,
            "verb": { "id": format!("{ADL}/verbs/{}", verb.0), "display": { "en": verb.1 } },
            "object": object,
            "context": {
                "registration": self.registration(),
                "platform": format!("Spinor {}", self.metrics.session.software),
                "extensions": { format!("{BASE}/extensions/case"): self.metrics.session.case },
            },
            "timestamp": timestamp(self.session.started_unix_s, self.session.empty_s()[0] + at_s),
            "version": VERSION,
        });
        if let Some(result) = result {
            statement["result"] = result;
        }
        statement["id"] = json!(uuid(&statement.to_string()));
        statement
    }

    /// The session as a number that follows from the recording: its head, how long it is and what it came to, for rehearsals begin at no
    /// time, and a branch begins as its origin did.
    fn registration(&self) -> String {
        let (info, session) = (&self.metrics.session, self.session);
        let end = format!("{}/{}/{:016x}", session.recorded[1], session.events.len(), session.cut.digest());
        uuid(&format!("{}/{}/{}/{end}", info.case, info.room, info.started_unix_s))
    }
}

/// A UUID in the form of version 4 whose bits come from a digest.
fn uuid(of: &str) -> String {
    let hash = blake3::hash(of.as_bytes());
    let mut bytes: [u8; 16] = std::array::from_fn(|k| hash.as_bytes()[k]);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// ISO 8601 duration.
fn duration(seconds: f64) -> String {
    format!("PT{:.2}S", seconds.max(0.0))
}

/// RFC 3339 in UTC of a moment after a start in seconds since 1970.
pub(crate) fn timestamp(started_unix_s: u64, after_s: f64) -> String {
    let ms = (after_s.max(0.0) * 1_000.0).round() as u64;
    let seconds = started_unix_s.min(253_402_300_000) + ms / 1_000;
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    let [year, month, day] = date(days);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", ms % 1_000)
}

/// Year, month and day of a number of days since 1970-01-01, in the Gregorian calendar.
fn date(days: u64) -> [u64; 3] {
    // Eras of 400 years that begin on 1 March, so that the leap day is the last of its year.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    [era * 400 + year_of_era + u64::from(month <= 2), month, day]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_dates() {
        assert_eq!(timestamp(0, 0.0), "1970-01-01T00:00:00.000Z");
        assert_eq!(timestamp(951_782_400, 1.5), "2000-02-29T00:00:01.500Z");
        assert_eq!(timestamp(1_795_375_897, 59.9996), "2026-11-22T19:32:37.000Z");
        assert_eq!(timestamp(4_107_542_399, 1.0), "2100-03-01T00:00:00.000Z");
        assert_eq!(timestamp(u64::MAX, 0.0).len(), "9999-12-31T00:00:00.000Z".len());
    }

    #[test]
    fn identifiers_follow_from_what_they_name() {
        let id = uuid("a");
        assert_eq!((id.len(), id.as_bytes()[14], &id), (36, b'4', &uuid("a")));
        assert!(id != uuid("b") && "89ab".contains(&id[19..20]));
        assert_eq!(duration(61.239), "PT61.24S");
    }
}
