//! Tracked hands of 26 joints, hung on the script's palm and bent by its curl.

use openxr_sys as xr;
use xr::Handle as _;
use xr::Result as R;

use crate::frame::seconds;
use crate::math::{IDENTITY, at, compose, inverse, pitch};
use crate::runtime::{ByHandle, runtime};

/// Distance between neighbouring fingers, and between a finger's joints, m.
const ACROSS_M: f32 = 0.02;
const ALONG_M: f32 = 0.03;
/// Every joint of a fist turns by this, radians.
const FIST: f32 = 1.2;

/// Which hand each tracker follows.
#[derive(Default)]
pub(crate) struct Hands(ByHandle<xr::HandEXT>);

pub(crate) unsafe extern "system" fn create(
    _: xr::Session,
    info: *const xr::HandTrackerCreateInfoEXT,
    tracker: *mut xr::HandTrackerEXT,
) -> R {
    let mut runtime = runtime();
    let handle = runtime.handle();
    // SAFETY: the application hands over a valid description and room for the handle.
    unsafe {
        runtime.hands.0.insert(handle, (*info).hand);
        *tracker = xr::HandTrackerEXT::from_raw(handle);
    }
    R::SUCCESS
}

pub(crate) unsafe extern "system" fn destroy(tracker: xr::HandTrackerEXT) -> R {
    runtime().hands.0.remove(&tracker.into_raw());
    R::SUCCESS
}

/// A joint's pose in its palm: 0 palm, 1 wrist, 2-5 thumb, then four fingers of five.
fn palm_from_joint(joint: usize, curl: f32) -> xr::Posef {
    let (finger, place) = match joint {
        0 => return IDENTITY,
        1 => return at(0.0, 0.0, 0.06),
        2..=5 => (0, joint - 2),
        _ => ((joint - 6) / 5 + 1, (joint - 6) % 5),
    };
    let bend = xr::Posef { orientation: pitch(-curl * FIST), ..IDENTITY };
    let mut pose = at(finger as f32 * ACROSS_M - 2.0 * ACROSS_M, 0.0, ALONG_M);
    for _ in 0..place {
        pose = compose(compose(pose, bend), at(0.0, 0.0, -ALONG_M));
    }
    pose
}

pub(crate) unsafe extern "system" fn locate(
    tracker: xr::HandTrackerEXT,
    info: *const xr::HandJointsLocateInfoEXT,
    locations: *mut xr::HandJointLocationsEXT,
) -> R {
    let runtime = runtime();
    let side = match runtime.hands.0.get(&tracker.into_raw()) {
        Some(&xr::HandEXT::LEFT) => "left",
        Some(_) => "right",
        None => return R::ERROR_HANDLE_INVALID,
    };
    // SAFETY: the application hands over a valid description and locations with room for `joint_count` joints.
    unsafe {
        let (info, locations) = (&*info, &mut *locations);
        let now = seconds(info.time);
        let Some(base) = runtime.stage_from(info.base_space, now) else { return R::ERROR_HANDLE_INVALID };
        let palm = runtime.script.pose(&format!("/user/hand/{side}/hand"), now);
        let curl = runtime.script.number(&format!("/user/hand/{side}/curl"), now).unwrap_or(0.0);
        locations.is_active = palm.is_some().into();
        for joint in 0..locations.joint_count as usize {
            let to = &mut *locations.joint_locations.add(joint);
            to.location_flags = match palm {
                None => xr::SpaceLocationFlags::EMPTY,
                Some(_) => xr::SpaceLocationFlags::from_raw(0xf),
            };
            to.pose = compose(inverse(base), compose(palm.unwrap_or(IDENTITY), palm_from_joint(joint, curl)));
            to.radius = 0.01;
        }
    }
    R::SUCCESS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curled_finger_ends_nearer_to_the_palm() {
        let reach = |curl| palm_from_joint(10, curl).position.z;
        assert!((reach(0.0) - (ALONG_M - 4.0 * ALONG_M)).abs() < 1e-6);
        assert!(reach(1.0) > reach(0.0) + ALONG_M);
    }
}
