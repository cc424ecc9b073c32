//! The authoritative server of Spinor: rooms, authority, sending, recording.
