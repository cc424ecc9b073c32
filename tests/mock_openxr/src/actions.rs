//! Paths, actions, bindings, and what the script's channels make of them.

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char};

use openxr_sys as xr;
use xr::Handle as _;
use xr::Result as R;

use crate::out;
use crate::runtime::{ByHandle, Event, Runtime, runtime};

/// Used when the application suggests bindings for it and no other is asked for.
const TOUCH: &str = "/interaction_profiles/oculus/touch_controller";
const SIMPLE: &str = "/interaction_profiles/khr/simple_controller";

/// Paths, actions and bindings of the instance.
#[derive(Default)]
pub(crate) struct Actions {
    /// A path's number is its place plus one.
    paths: Vec<String>,
    named: ByHandle<String>,
    suggested: BTreeMap<String, Vec<(u64, String)>>,
    /// The profile in use, once action sets are attached.
    profile: Option<String>,
    synced: f64,
    synced_before: f64,
}

impl Actions {
    fn path(&self, path: xr::Path) -> &str {
        usize::try_from(path.into_raw()).ok().and_then(|n| n.checked_sub(1)).and_then(|n| self.paths.get(n)).map_or("", |s| s)
    }

    fn number(&mut self, path: &str) -> xr::Path {
        let place = self.paths.iter().position(|p| p == path).unwrap_or_else(|| {
            self.paths.push(path.to_owned());
            self.paths.len() - 1
        });
        xr::Path::from_raw(place as u64 + 1)
    }

    /// What an action is bound to on the profile in use, for one hand or for all (`NULL`).
    pub(crate) fn bound(&self, action: xr::Action, hand: xr::Path) -> impl Iterator<Item = &str> {
        let bindings = self.profile.as_ref().and_then(|profile| self.suggested.get(profile)).map_or(&[][..], |list| list);
        let hand = self.path(hand);
        bindings.iter().filter(move |(a, path)| *a == action.into_raw() && path.starts_with(hand)).map(|(_, path)| path.as_str())
    }

    /// Forgets what belongs to a session.
    pub(crate) fn detach(&mut self) {
        self.profile = None;
    }
}

pub(crate) unsafe extern "system" fn string_to_path(_: xr::Instance, string: *const c_char, path: *mut xr::Path) -> R {
    // SAFETY: the application hands over a string ended by a zero, and room for the number.
    unsafe {
        let string = CStr::from_ptr(string).to_string_lossy();
        if !string.starts_with('/') {
            return R::ERROR_PATH_FORMAT_INVALID;
        }
        *path = runtime().actions.number(&string);
    }
    R::SUCCESS
}

pub(crate) unsafe extern "system" fn path_to_string(
    _: xr::Instance,
    path: xr::Path,
    capacity: u32,
    count: *mut u32,
    buffer: *mut c_char,
) -> R {
    let runtime = runtime();
    // SAFETY: the application hands over room for `capacity` bytes.
    unsafe { out::string(runtime.actions.path(path), capacity, count, buffer) }
}

pub(crate) unsafe extern "system" fn create_set(
    _: xr::Instance,
    _: *const xr::ActionSetCreateInfo,
    set: *mut xr::ActionSet,
) -> R {
    // SAFETY: the application hands over room for the handle.
    unsafe { *set = xr::ActionSet::from_raw(runtime().handle()) };
    R::SUCCESS
}

pub(crate) unsafe extern "system" fn destroy_set(_: xr::ActionSet) -> R {
    R::SUCCESS
}

pub(crate) unsafe extern "system" fn create(_: xr::ActionSet, info: *const xr::ActionCreateInfo, action: *mut xr::Action) -> R {
    let mut runtime = runtime();
    let handle = runtime.handle();
    // SAFETY: the application hands over a valid description and room for the handle.
    unsafe {
        let name = CStr::from_ptr((*info).action_name.as_ptr()).to_string_lossy().into_owned();
        runtime.actions.named.insert(handle, name);
        *action = xr::Action::from_raw(handle);
    }
    R::SUCCESS
}

pub(crate) unsafe extern "system" fn destroy(action: xr::Action) -> R {
    runtime().actions.named.remove(&action.into_raw());
    R::SUCCESS
}

pub(crate) unsafe extern "system" fn suggest(_: xr::Instance, info: *const xr::InteractionProfileSuggestedBinding) -> R {
    let mut runtime = runtime();
    if runtime.actions.profile.is_some() {
        return runtime.fault("xrSuggestInteractionProfileBindings", R::ERROR_ACTIONSETS_ALREADY_ATTACHED);
    }
    // SAFETY: the application hands over a valid description with `count_suggested_bindings` bindings.
    let (profile, bindings) = unsafe {
        let info = &*info;
        let bindings = std::slice::from_raw_parts(info.suggested_bindings, info.count_suggested_bindings as usize);
        (runtime.actions.path(info.interaction_profile).to_owned(), bindings)
    };
    let bindings: Vec<_> = bindings.iter().map(|b| (b.action.into_raw(), runtime.actions.path(b.binding).to_owned())).collect();
    runtime.note(&format!("suggest {profile} {}", bindings.len()));
    runtime.actions.suggested.insert(profile, bindings);
    R::SUCCESS
}

pub(crate) unsafe extern "system" fn attach(_: xr::Session, _: *const xr::SessionActionSetsAttachInfo) -> R {
    let mut runtime = runtime();
    if runtime.actions.profile.is_some() {
        return runtime.fault("xrAttachSessionActionSets", R::ERROR_ACTIONSETS_ALREADY_ATTACHED);
    }
    let wanted = std::env::var("MOCKXR_PROFILE").ok();
    let suggested = &runtime.actions.suggested;
    let profile = wanted
        .as_deref()
        .into_iter()
        .chain([TOUCH, SIMPLE])
        .find(|profile| suggested.contains_key(*profile))
        .map(str::to_owned)
        .or_else(|| suggested.keys().next().cloned())
        .unwrap_or_default();
    let names: Vec<String> = runtime.actions.named.values().cloned().collect();
    runtime.note(&format!("attach profile {profile} actions {names:?}"));
    runtime.actions.profile = Some(profile);
    runtime.events.push_back(Event::Profile);
    R::SUCCESS
}

pub(crate) unsafe extern "system" fn current_profile(_: xr::Session, _: xr::Path, state: *mut xr::InteractionProfileState) -> R {
    let mut runtime = runtime();
    let path = match runtime.actions.profile.clone() {
        Some(profile) if !profile.is_empty() => runtime.actions.number(&profile),
        _ => xr::Path::NULL,
    };
    // SAFETY: the application hands over a state to fill.
    unsafe { (*state).interaction_profile = path };
    R::SUCCESS
}

pub(crate) unsafe extern "system" fn sync(_: xr::Session, _: *const xr::ActionsSyncInfo) -> R {
    let mut runtime = runtime();
    if runtime.actions.profile.is_none() {
        return runtime.fault("xrSyncActions", R::ERROR_ACTIONSET_NOT_ATTACHED);
    }
    runtime.actions.synced_before = runtime.actions.synced;
    runtime.actions.synced = runtime.seconds();
    if runtime.state == xr::SessionState::FOCUSED { R::SUCCESS } else { R::SESSION_NOT_FOCUSED }
}

/// What an action's first scripted binding says at the last sync, and whether it said otherwise at the sync before.
///
/// # Safety
/// `info` is valid for reading.
unsafe fn state<T: PartialEq>(
    info: *const xr::ActionStateGetInfo,
    value: impl Fn(&Runtime, &str, f64) -> Option<T>,
) -> (Option<T>, bool) {
    let runtime = runtime();
    // SAFETY: the caller vouches for it.
    let (action, hand) = unsafe { ((*info).action, (*info).subaction_path) };
    let at = |seconds: f64| runtime.actions.bound(action, hand).find_map(|path| value(&runtime, path, seconds));
    let now = at(runtime.actions.synced);
    let changed = at(runtime.actions.synced_before) != now;
    (now, changed)
}

pub(crate) unsafe extern "system" fn boolean(
    _: xr::Session,
    info: *const xr::ActionStateGetInfo,
    to: *mut xr::ActionStateBoolean,
) -> R {
    // SAFETY: the application hands over a valid description and a state to fill.
    unsafe {
        let (value, changed) = state(info, |r, path, t| r.script.button(path, t));
        (*to).is_active = value.is_some().into();
        (*to).current_state = value.unwrap_or(false).into();
        (*to).changed_since_last_sync = changed.into();
    }
    R::SUCCESS
}

pub(crate) unsafe extern "system" fn float(
    _: xr::Session,
    info: *const xr::ActionStateGetInfo,
    to: *mut xr::ActionStateFloat,
) -> R {
    // SAFETY: as above.
    unsafe {
        let (value, changed) = state(info, |r, path, t| r.script.number(path, t));
        (*to).is_active = value.is_some().into();
        (*to).current_state = value.unwrap_or(0.0);
        (*to).changed_since_last_sync = changed.into();
    }
    R::SUCCESS
}

pub(crate) unsafe extern "system" fn vector(
    _: xr::Session,
    info: *const xr::ActionStateGetInfo,
    to: *mut xr::ActionStateVector2f,
) -> R {
    // SAFETY: as above.
    unsafe {
        let (value, changed) = state(info, |r, path, t| r.script.stick(path, t));
        (*to).is_active = value.is_some().into();
        (*to).current_state = value.unwrap_or_default();
        (*to).changed_since_last_sync = changed.into();
    }
    R::SUCCESS
}

pub(crate) unsafe extern "system" fn pose(
    _: xr::Session,
    info: *const xr::ActionStateGetInfo,
    to: *mut xr::ActionStatePose,
) -> R {
    // SAFETY: as above.
    unsafe {
        let (value, _) = state(info, |r, path, t| r.script.pose(path, t).map(|_| ()));
        (*to).is_active = value.is_some().into();
    }
    R::SUCCESS
}

pub(crate) unsafe extern "system" fn vibrate(
    _: xr::Session,
    info: *const xr::HapticActionInfo,
    feedback: *const xr::HapticBaseHeader,
) -> R {
    let mut runtime = runtime();
    // SAFETY: the application hands over a valid description and feedback; the only kind there is without extensions.
    let (hand, vibration) = unsafe { ((*info).subaction_path, &*feedback.cast::<xr::HapticVibration>()) };
    let hand = runtime.actions.path(hand).to_owned();
    runtime.note(&format!(
        "haptic {hand} amplitude {:.3} frequency {:.0} ns {}",
        vibration.amplitude,
        vibration.frequency,
        vibration.duration.as_nanos()
    ));
    R::SUCCESS
}

pub(crate) unsafe extern "system" fn stop_vibrating(_: xr::Session, _: *const xr::HapticActionInfo) -> R {
    R::SUCCESS
}

pub(crate) unsafe extern "system" fn bound_sources(
    _: xr::Session,
    info: *const xr::BoundSourcesForActionEnumerateInfo,
    capacity: u32,
    count: *mut u32,
    items: *mut xr::Path,
) -> R {
    let mut runtime = runtime();
    // SAFETY: the application hands over a valid description and room for `capacity` items.
    unsafe {
        let paths: Vec<String> = runtime.actions.bound((*info).action, xr::Path::NULL).map(str::to_owned).collect();
        let numbers: Vec<xr::Path> = paths.iter().map(|path| runtime.actions.number(path)).collect();
        out::array(numbers.len(), capacity, count, items, |k, to| *to = numbers[k])
    }
}

pub(crate) unsafe extern "system" fn source_name(
    _: xr::Session,
    info: *const xr::InputSourceLocalizedNameGetInfo,
    capacity: u32,
    count: *mut u32,
    buffer: *mut c_char,
) -> R {
    let runtime = runtime();
    // SAFETY: the application hands over a valid description and room for `capacity` bytes.
    unsafe { out::string(runtime.actions.path((*info).source_path), capacity, count, buffer) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bindings_are_those_of_the_profile_and_the_hand() {
        let mut actions = Actions::default();
        let left = actions.number("/user/hand/left");
        assert_eq!(actions.number("/user/hand/left"), left);
        let both = ["/user/hand/left/x", "/user/hand/right/x"].map(|path| (7, path.to_owned())).to_vec();
        actions.suggested.insert(TOUCH.to_owned(), both);
        let action = xr::Action::from_raw(7);
        assert_eq!(actions.bound(action, left).count(), 0);
        actions.profile = Some(TOUCH.to_owned());
        assert_eq!(actions.bound(action, left).collect::<Vec<_>>(), ["/user/hand/left/x"]);
        assert_eq!(actions.bound(action, xr::Path::NULL).count(), 2);
        assert_eq!(actions.bound(xr::Action::from_raw(8), left).count(), 0);
    }
}
