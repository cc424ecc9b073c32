//! One of a client's streams of brick deltas, and the queue before it.
//!
//! The tick thread pushes frames and never waits. Where a client's network is slower than the cutting, the queue grows; past a limit the
//! room stops pushing changes and remembers which bricks changed, and once the queue has drained sends those bricks whole: state instead
//! of history, so that a slow client is late but never far behind.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use quinn::Connection;
use tokio::sync::Notify;

/// Frames waiting in front of a stream that a task writes.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    queue: Mutex<VecDeque<Bytes>>,
    queued: AtomicUsize,
    closed: AtomicBool,
    wake: Notify,
}

impl Lane {
    /// Appends a frame.
    pub(crate) fn push(&self, frame: Bytes) {
        self.queued.fetch_add(frame.len(), Ordering::Relaxed);
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).push_back(frame);
        self.wake.notify_one();
    }

    /// Bytes that are not yet in quinn's hands.
    pub(crate) fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    /// Lets the writer end once the queue is empty.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.wake.notify_one();
    }

    fn pop(&self) -> Option<Bytes> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Writes the queue to a new stream of `connection` until the lane or the connection closes.
    pub(crate) async fn write(self: Arc<Self>, connection: Connection, priority: i32) {
        let Ok(mut stream) = connection.open_uni().await else { return };
        let _ = stream.set_priority(priority);
        self.drain(&mut stream).await;
        let _ = stream.finish();
    }

    /// Writes the queue to `stream` until the lane or the stream ends.
    pub(crate) async fn drain(&self, stream: &mut quinn::SendStream) {
        loop {
            while let Some(frame) = self.pop() {
                let length = frame.len();
                if stream.write_chunk(frame).await.is_err() {
                    return;
                }
                self.queued.fetch_sub(length, Ordering::Relaxed);
            }
            if self.closed.load(Ordering::Relaxed) {
                return;
            }
            self.wake.notified().await;
        }
    }
}
