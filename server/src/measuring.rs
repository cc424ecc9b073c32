//! Live measures for whoever asks, computed beside the tick on a copy of the cut fields.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use spinor_shared::measures::WireMeasures;
use spinor_shared::net::control::Notice;
use spinor_shared::net::handshake::Refusal;
use spinor_volume::CutState;

use crate::bulk::CaseData;
use crate::lane::Lane;
use crate::peer::notice_bytes;
use crate::room::Room;

/// Who waits for a room's measures, and whether they are being computed.
#[derive(Default)]
pub(crate) struct Waiting {
    people: Vec<Arc<Lane>>,
    busy: bool,
}

/// A room's queue; one computation at a time, whose result goes to all who asked meanwhile.
pub(crate) type Queue = Arc<Mutex<Waiting>>;

fn lock(queue: &Queue) -> MutexGuard<'_, Waiting> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Room {
    /// Answers with [`Notice::Measures`] some time later. Who asks while a computation runs gets its result: the tick stands in it.
    pub(crate) fn measure(&mut self, user: u32) {
        let Some(lane) = self.members.get(&user).and_then(|m| m.peer.as_ref()).map(|peer| peer.control_lane()) else { return };
        {
            let mut waiting = lock(&self.measuring);
            if !waiting.people.iter().any(|other| Arc::ptr_eq(other, &lane)) {
                waiting.people.push(lane);
            }
            if std::mem::replace(&mut waiting.busy, true) {
                return;
            }
        }
        let (case, cut, queue) = (self.case.clone(), self.sim.cut().clone(), self.measuring.clone());
        let tick = self.tick.saturating_sub(1);
        self.runtime.spawn_blocking(move || {
            let answer = notice_bytes(&answer(&case, &cut, tick));
            let people = {
                let mut waiting = lock(&queue);
                waiting.busy = false;
                std::mem::take(&mut waiting.people)
            };
            people.iter().for_each(|lane| lane.push(answer.clone()));
        });
    }
}

fn answer(case: &CaseData, cut: &CutState, tick: u32) -> Notice {
    match case.reference() {
        Ok(reference) => Notice::Measures(Box::new(WireMeasures::new(tick, &reference.measure(&case.patient, cut)))),
        Err(error) => {
            tracing::info!(%error, "nothing to measure in this case");
            Notice::Refused { request: "measures".to_owned(), reason: Refusal::Nothing }
        }
    }
}
