//! The network: one QUIC connection per person.
//!
//! Datagrams carry lightyear's packets (tick sync, poses, tool input, small replication) through a [`link`] of our own; QUIC streams
//! carry whatever must arrive: control (+20), brick deltas on four lanes (+10), snapshots (−10) and image bricks (−20).
//! docs/PROTOCOL.md names every stream, message and limit.

pub mod bell;
pub mod congestion;
pub mod control;
pub mod endpoint;
pub mod frame;
pub mod handshake;
pub mod invite;
pub mod link;
pub mod protocol;
pub mod rate;
pub mod tls;

/// Raised whenever a message or stream changes; peers of another version are refused.
pub const PROTOCOL_VERSION: u32 = 5;
/// Name of the protocol in the TLS handshake.
pub const ALPN: &[u8] = b"spinor/1";
/// Streams that brick deltas are spread over, so that a lost packet holds up a quarter of them only.
pub const LANES: usize = 4;

/// Scheduling of QUIC streams: higher goes first.
pub mod priority {
    /// Control messages.
    pub const CONTROL: i32 = 20;
    /// Brick deltas.
    pub const LANE: i32 = 10;
    /// Patient and cut snapshots.
    pub const SNAPSHOT: i32 = -10;
    /// CT and MR bricks.
    pub const IMAGES: i32 = -20;
}

/// Limits on what a peer may send. Exceeding a size closes the connection; exceeding a rate drops the message and counts it.
pub mod limit {
    /// Longest control frame from a client, bytes.
    pub const CLIENT_CONTROL: usize = 16 * 1024;
    /// Longest control frame from the server, bytes.
    pub const SERVER_CONTROL: usize = 1 << 20;
    /// Longest hello, bytes. Its answer holds the room's state and may be as long as [`SERVER_CONTROL`].
    pub const HELLO: usize = 4 * 1024;
    /// Longest frame of a lane, bytes.
    pub const LANE: usize = 4 << 20;
    /// Longest frame of a snapshot or image stream, bytes.
    pub const BULK: usize = 2 << 20;
    /// Longest patient section that a client takes, bytes.
    pub const PATIENT: u64 = 512 << 20;
    /// Seconds a peer has for TLS and the hello.
    pub const HELLO_SECONDS: u64 = 5;
    /// Control messages a client may send a second, on average.
    pub const CONTROL_PER_SECOND: u32 = 60;
    /// Pause before a client that asks too fast is read on, milliseconds: what it says too much waits at its own end.
    pub const HURRY_MS: u64 = 50;
    /// Bytes of marks and words that a person may send a second, on average, and at once: they go to everybody.
    pub const SAID: (u32, u32) = (16 * 1024, 64 * 1024);
    /// Bricks that a person may have sent again a second, on average, and at once.
    pub const REPAIRED: (u32, u32) = (1_024, 4_096);
    /// Poses of a person that are passed on a second, on average, and at once: more than any headset makes.
    pub const POSES: (u32, u32) = (150, 30);
    /// Times that a person may come back a second, on average, and at once.
    pub const ENTRIES: (u32, u32) = (1, 12);
    /// Procedures that a person may choose a second, on average, and at once.
    pub const CHOSEN: (u32, u32) = (1, 6);
    /// Refusals of a person that are logged and recorded a second, on average, and at once; all are counted and told.
    pub const NOTED: (u32, u32) = (2, 20);
    /// Datagrams a client may send a second, on average.
    pub const DATAGRAMS_PER_SECOND: u32 = 400;
    /// Most inputs in one message.
    pub const INPUTS: usize = 16;
}
