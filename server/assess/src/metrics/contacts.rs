//! Contacts with neural tissue.

use std::collections::BTreeMap;

use serde::Serialize;
use spinor_sim::{Event, Holder};
use spinor_volume::Label;

use crate::gather::Session;

/// One contact with neural tissue.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "defined in `definitions`")]
pub struct Contact {
    pub structure: String,
    pub user: String,
    pub tool: &'static str,
    pub start_s: f64,
    pub seconds: f64,
    pub deepest_mm: f64,
    pub active_s: f64,
    /// Whether a running or closing tool touched, if only for a moment.
    pub active: bool,
    /// Whether the session ended before the contact did; its time and depth are then lower bounds.
    pub open: bool,
    /// Number of the person, kept for counting.
    #[serde(skip)]
    pub(crate) by: Holder,
    /// The structure's number.
    #[serde(skip)]
    pub(crate) label: Label,
}

/// Contacts with one structure by one kind of tool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[expect(missing_docs, reason = "defined in `definitions`")]
pub struct ToolContacts {
    pub contacts: u32,
    pub active_contacts: u32,
    pub contact_s: f64,
    pub greatest_depth_mm: f64,
}

/// Contacts from their start and end events. A contact that becomes active has a second start event, which opens no second contact.
pub(crate) fn contacts(session: &Session) -> Vec<Contact> {
    let hz = f64::from(session.tick_hz.max(1));
    let mut open = BTreeMap::new();
    let mut done = Vec::new();
    for (tick, event) in &session.events {
        let by = event.by();
        let start = |label: Label, tick: u32, depth_um: i32| Contact {
            structure: label.name(),
            label,
            user: session.name(by.user),
            tool: by.tool.word(),
            start_s: session.seconds(tick),
            seconds: f64::from(session.ticks[1].saturating_sub(tick)) / hz,
            deepest_mm: f64::from(depth_um) / 1_000.0,
            active_s: 0.0,
            active: false,
            open: true,
            by,
        };
        match event {
            Event::NeuralTouch { structure, depth_um, active, .. } => {
                let contact = open.entry((by, *structure)).or_insert_with(|| start(*structure, *tick, *depth_um));
                contact.deepest_mm = contact.deepest_mm.max(f64::from(*depth_um) / 1_000.0);
                contact.active |= *active;
            }
            Event::NeuralLeave { structure, ticks, deepest_um, active_ticks, .. } => {
                let begun = open.remove(&(by, *structure));
                let contact = begun.unwrap_or_else(|| start(*structure, tick.saturating_sub(*ticks), *deepest_um));
                let (seconds, active_s) = (f64::from(*ticks) / hz, f64::from(*active_ticks) / hz);
                let active = contact.active || *active_ticks > 0;
                let deepest_mm = f64::from(*deepest_um) / 1_000.0;
                done.push(Contact { seconds, active_s, active, deepest_mm, open: false, ..contact });
            }
            _ => {}
        }
    }
    done.extend(open.into_values());
    done.sort_by(|a, b| a.start_s.total_cmp(&b.start_s));
    done
}

/// Contacts summed by structure and tool.
pub(crate) fn by_tool(contacts: &[Contact]) -> BTreeMap<String, BTreeMap<String, ToolContacts>> {
    let mut all: BTreeMap<String, BTreeMap<String, ToolContacts>> = BTreeMap::new();
    for contact in contacts {
        let sum = all.entry(contact.structure.clone()).or_default().entry(contact.tool.to_owned()).or_default();
        sum.contacts += 1;
        sum.active_contacts += u32::from(contact.active);
        sum.contact_s += contact.seconds;
        sum.greatest_depth_mm = sum.greatest_depth_mm.max(contact.deepest_mm);
    }
    all
}
