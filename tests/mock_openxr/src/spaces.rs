//! Reference and action spaces, and where things are in them.

use openxr_sys as xr;
use xr::Handle as _;
use xr::Result as R;

use crate::frame::seconds;
use crate::math::{IDENTITY, at, compose, inverse};
use crate::out;
use crate::runtime::{ByHandle, Runtime, runtime};

/// Half the distance between the eyes, m.
const HALF_PUPILS_M: f32 = 0.032;
/// How far back a velocity looks, s.
const VELOCITY_STEP: f64 = 0.005;
/// The space reaches as far as a script can say, but the play area is this wide, m.
const PLAY_AREA_M: f32 = 3.0;

#[derive(Clone, Copy)]
enum Space {
    Reference(xr::ReferenceSpaceType, xr::Posef),
    Action(xr::Action, xr::Path, xr::Posef),
}

/// All spaces of the session.
#[derive(Default)]
pub(crate) struct Spaces(ByHandle<Space>);

impl Spaces {
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

impl Runtime {
    /// A space's pose in the stage; none where the script tracks nothing or the space is unknown.
    pub(crate) fn stage_from(&self, space: xr::Space, seconds: f64) -> Option<xr::Posef> {
        match *self.spaces.0.get(&space.into_raw())? {
            Space::Reference(xr::ReferenceSpaceType::VIEW, offset) => Some(compose(self.head(seconds), offset)),
            Space::Reference(xr::ReferenceSpaceType::LOCAL, offset) => Some(compose(self.local(), offset)),
            Space::Reference(_, offset) => Some(offset),
            Space::Action(action, hand, offset) => {
                let pose = self.actions.bound(action, hand).find_map(|path| self.script.pose(path, seconds))?;
                Some(compose(pose, offset))
            }
        }
    }
}

const KINDS: [xr::ReferenceSpaceType; 3] =
    [xr::ReferenceSpaceType::VIEW, xr::ReferenceSpaceType::LOCAL, xr::ReferenceSpaceType::STAGE];

pub(crate) unsafe extern "system" fn reference_kinds(
    _: xr::Session,
    capacity: u32,
    count: *mut u32,
    items: *mut xr::ReferenceSpaceType,
) -> R {
    // SAFETY: the application hands over room for `capacity` items.
    unsafe { out::array(KINDS.len(), capacity, count, items, |k, to| *to = KINDS[k]) }
}

fn create(space: Space) -> xr::Space {
    let mut runtime = runtime();
    let handle = runtime.handle();
    runtime.spaces.0.insert(handle, space);
    xr::Space::from_raw(handle)
}

pub(crate) unsafe extern "system" fn create_reference(
    _: xr::Session,
    info: *const xr::ReferenceSpaceCreateInfo,
    space: *mut xr::Space,
) -> R {
    // SAFETY: the application hands over a valid description and room for the handle.
    unsafe { *space = create(Space::Reference((*info).reference_space_type, (*info).pose_in_reference_space)) };
    R::SUCCESS
}

pub(crate) unsafe extern "system" fn create_action(
    _: xr::Session,
    info: *const xr::ActionSpaceCreateInfo,
    space: *mut xr::Space,
) -> R {
    // SAFETY: the application hands over a valid description and room for the handle.
    unsafe { *space = create(Space::Action((*info).action, (*info).subaction_path, (*info).pose_in_action_space)) };
    R::SUCCESS
}

pub(crate) unsafe extern "system" fn destroy(space: xr::Space) -> R {
    runtime().spaces.0.remove(&space.into_raw());
    R::SUCCESS
}

pub(crate) unsafe extern "system" fn bounds(_: xr::Session, _: xr::ReferenceSpaceType, bounds: *mut xr::Extent2Df) -> R {
    // SAFETY: the application hands over room for the size.
    unsafe { *bounds = xr::Extent2Df { width: PLAY_AREA_M, height: PLAY_AREA_M } };
    R::SUCCESS
}

pub(crate) unsafe extern "system" fn locate(
    space: xr::Space,
    base: xr::Space,
    at: xr::Time,
    location: *mut xr::SpaceLocation,
) -> R {
    let runtime = runtime();
    if [space, base].iter().any(|s| !runtime.spaces.0.contains_key(&s.into_raw())) {
        return R::ERROR_HANDLE_INVALID;
    }
    let base_from_space =
        |t: f64| Some(compose(inverse(runtime.stage_from(base, t)?), runtime.stage_from(space, t)?)) as Option<xr::Posef>;
    let now = seconds(at);
    let pose = base_from_space(now);
    // SAFETY: the application hands over a location to fill, with a valid chain behind it.
    unsafe {
        let location = &mut *location;
        location.location_flags = match pose {
            None => xr::SpaceLocationFlags::EMPTY,
            Some(_) => {
                xr::SpaceLocationFlags::ORIENTATION_VALID
                    | xr::SpaceLocationFlags::POSITION_VALID
                    | xr::SpaceLocationFlags::ORIENTATION_TRACKED
                    | xr::SpaceLocationFlags::POSITION_TRACKED
            }
        };
        location.pose = pose.unwrap_or(IDENTITY);
        out::in_chain(location.next, xr::StructureType::SPACE_VELOCITY, |velocity: &mut xr::SpaceVelocity| {
            velocity.velocity_flags = xr::SpaceVelocityFlags::EMPTY;
            if let (Some(before), Some(now)) = (base_from_space(now - VELOCITY_STEP), pose) {
                let rate = |a: f32, b: f32| (b - a) / VELOCITY_STEP as f32;
                velocity.velocity_flags = xr::SpaceVelocityFlags::LINEAR_VALID;
                velocity.linear_velocity = xr::Vector3f {
                    x: rate(before.position.x, now.position.x),
                    y: rate(before.position.y, now.position.y),
                    z: rate(before.position.z, now.position.z),
                };
            }
        });
    }
    R::SUCCESS
}

/// Both eyes: side by side in the head, each with a field of view wider outward.
pub(crate) unsafe extern "system" fn locate_views(
    _: xr::Session,
    info: *const xr::ViewLocateInfo,
    state: *mut xr::ViewState,
    capacity: u32,
    count: *mut u32,
    items: *mut xr::View,
) -> R {
    let runtime = runtime();
    // SAFETY: the application hands over a valid description, a state to fill and room for `capacity` items.
    unsafe {
        let now = seconds((*info).display_time);
        let Some(base) = runtime.stage_from((*info).space, now) else { return R::ERROR_HANDLE_INVALID };
        let head = compose(inverse(base), runtime.head(now));
        (*state).view_state_flags = xr::ViewStateFlags::ORIENTATION_VALID
            | xr::ViewStateFlags::POSITION_VALID
            | xr::ViewStateFlags::ORIENTATION_TRACKED
            | xr::ViewStateFlags::POSITION_TRACKED;
        out::array(2, capacity, count, items, |eye, view| {
            let side = if eye == 0 { -1.0 } else { 1.0 };
            view.pose = compose(head, at(side * HALF_PUPILS_M, 0.0, 0.0));
            let (outward, inward) = (0.85, 0.75);
            let (left, right) = if eye == 0 { (outward, inward) } else { (inward, outward) };
            view.fov = xr::Fovf { angle_left: -left, angle_right: right, angle_up: 0.8, angle_down: -0.8 };
        })
    }
}
