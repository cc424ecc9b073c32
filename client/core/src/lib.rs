//! Link, mirror and own-tool prediction of Spinor's client, without a renderer.
//!
//! The render client, bots and tests use the same library. What a renderer needs:
//!
//! ```ignore
//! app.add_plugins(SpinorClientPlugin);                                  // lightyear, the link, the systems that feed the session
//! app.insert_resource(Session::join(JoinOptions::new(invite, device_key), no_waker())?);
//!
//! fn every_frame(mut session: ResMut<Session>) {
//!     match session.status() { Status::Joined => .., Status::Connecting { attempt, reason } => .., Status::Refused(why) => .. }
//!     for dirty in session.mirror_mut().take_dirty() { .. }             // bricks to mesh again: Mesher::mesh(patient, Some(cut), ..)
//!     if let (Some(patient), cut) = (session.mirror().patient(), session.mirror().cut()) { .. }
//!     for person in session.people() { session.pose_of(person.user, Instant::now()); }     // interpolated head and hands
//!     for tool in session.tools() { .. }                                // proxies, load, distance, alarm; yours included
//!     for happening in session.take_happenings() { .. }                 // events, refusals, marks, room changes, in order
//!     session.send_pose(body);                                          // once a frame
//!     session.send_input(Hand::Right, ToolKind::FlutedBurr, 30, pose, trigger);   // once a frame and hand that holds a tool
//!     session.request(Request::Freeze(true));                           // directing; answered by a happening
//! }
//! ```
//!
//! - [`Session`] is everything: it owns the connection (reconnects by itself with the same device key), the [`Mirror`], the roster, poses,
//!   tools and happenings. It is a plain struct; [`SpinorClientPlugin`] makes it a resource of an engine.
//! - [`Mirror`] knows no network and no engine: it is fed frames and holds patient, cut fields, images and what changed.
//! - [`OwnHand`] sends one hand's inputs and predicts its tool until the server answers.
//! - [`Film`] is a recording that can be played and sought in.
//! - [`Bot`] is a whole headless client on a thread's own engine.
//! - Frame of all positions: patient LPS; micrometres on the wire.

pub mod bot;
mod dial;
pub mod film;
pub mod mirror;
pub mod own;
mod plugin;
pub mod poses;
pub mod session;
pub mod testing;

pub use bot::Bot;
pub use dial::{JoinError, JoinOptions};
pub use film::{Film, FilmError};
pub use mirror::{Mirror, MirrorError, Which};
pub use own::OwnHand;
pub use plugin::{SpinorClientPlugin, SpinorClientSystems};
pub use poses::PoseBuffer;
pub use session::{Happening, Session, Status, no_waker};

pub use spinor_shared::mark::Mark;
pub use spinor_shared::net::control::{Person, Request, RoomView, Stats};
pub use spinor_shared::net::handshake::Refusal;
pub use spinor_shared::net::invite::{Invite, InviteError};
pub use spinor_shared::net::link::Waker;
pub use spinor_shared::net::protocol::{BodyPose, ToolView};
