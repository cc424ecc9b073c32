//! Finding the runtime, its instance and its one system.

use std::ffi::{CStr, c_char};

use openxr_sys as xr;
use xr::Handle as _;
use xr::Result as R;

use crate::dispatch::xrGetInstanceProcAddr;
use crate::runtime::{runtime, switch};
use crate::{frame, out};

/// Extensions on offer, with their versions.
const EXTENSIONS: [(&str, u32); 2] = [("XR_KHR_vulkan_enable2", 2), ("XR_EXT_hand_tracking", 4)];
/// The one view configuration: two eyes.
const STEREO: xr::ViewConfigurationType = xr::ViewConfigurationType::PRIMARY_STEREO;
/// Largest edge of a swapchain image.
const MOST_PX: u32 = 4096;

/// How the loader meets the runtime.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "system" fn xrNegotiateLoaderRuntimeInterface(
    loader: *const xr::loader::XrNegotiateLoaderInfo,
    request: *mut xr::loader::XrNegotiateRuntimeRequest,
) -> R {
    if loader.is_null() || request.is_null() {
        return R::ERROR_INITIALIZATION_FAILED;
    }
    // SAFETY: not null, and the loader hands over a request to fill.
    unsafe {
        (*request).runtime_interface_version = 1;
        (*request).runtime_api_version = xr::CURRENT_API_VERSION;
        (*request).get_instance_proc_addr = Some(xrGetInstanceProcAddr);
    }
    R::SUCCESS
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "system" fn xrEnumerateInstanceExtensionProperties(
    _: *const c_char,
    capacity: u32,
    count: *mut u32,
    items: *mut xr::ExtensionProperties,
) -> R {
    // SAFETY: the application hands over room for `capacity` items.
    unsafe {
        out::array(EXTENSIONS.len(), capacity, count, items, |k, to| {
            out::text(&mut to.extension_name, EXTENSIONS[k].0);
            to.extension_version = EXTENSIONS[k].1;
        })
    }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "system" fn xrEnumerateApiLayerProperties(
    capacity: u32,
    count: *mut u32,
    items: *mut xr::ApiLayerProperties,
) -> R {
    // SAFETY: as above; there is no layer.
    unsafe { out::array(0, capacity, count, items, |_, _| {}) }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "system" fn xrCreateInstance(info: *const xr::InstanceCreateInfo, instance: *mut xr::Instance) -> R {
    if switch("MOCKXR_NO_INSTANCE") {
        return R::ERROR_RUNTIME_UNAVAILABLE;
    }
    // SAFETY: the application hands over a valid description and room for the handle.
    unsafe {
        for k in 0..(*info).enabled_extension_count as usize {
            let name = CStr::from_ptr(*(*info).enabled_extension_names.add(k)).to_string_lossy();
            if !EXTENSIONS.iter().any(|(offered, _)| *offered == name) {
                return runtime().fault("xrCreateInstance", R::ERROR_EXTENSION_NOT_PRESENT);
            }
        }
        *instance = xr::Instance::from_raw(1);
    }
    R::SUCCESS
}

pub(crate) unsafe extern "system" fn destroy(_: xr::Instance) -> R {
    R::SUCCESS
}

pub(crate) unsafe extern "system" fn result_to_string(_: xr::Instance, result: R, buffer: *mut c_char) -> R {
    // SAFETY: OpenXR fixes the size of the buffer.
    unsafe { out::text(std::slice::from_raw_parts_mut(buffer, xr::MAX_RESULT_STRING_SIZE), &format!("{result:?}")) };
    R::SUCCESS
}

pub(crate) unsafe extern "system" fn structure_to_string(_: xr::Instance, ty: xr::StructureType, buffer: *mut c_char) -> R {
    // SAFETY: OpenXR fixes the size of the buffer.
    unsafe { out::text(std::slice::from_raw_parts_mut(buffer, xr::MAX_STRUCTURE_NAME_SIZE), &format!("{ty:?}")) };
    R::SUCCESS
}

pub(crate) unsafe extern "system" fn properties(_: xr::Instance, properties: *mut xr::InstanceProperties) -> R {
    // SAFETY: the application hands over properties to fill.
    let properties = unsafe { &mut *properties };
    out::text(&mut properties.runtime_name, "mockxr");
    properties.runtime_version = xr::Version::new(0, 1, 0);
    R::SUCCESS
}

pub(crate) unsafe extern "system" fn system(_: xr::Instance, _: *const xr::SystemGetInfo, system: *mut xr::SystemId) -> R {
    if switch("MOCKXR_NO_HEADSET") {
        return R::ERROR_FORM_FACTOR_UNAVAILABLE;
    }
    // SAFETY: the application hands over room for the number.
    unsafe { *system = xr::SystemId::from_raw(1) };
    R::SUCCESS
}

pub(crate) unsafe extern "system" fn system_properties(
    _: xr::Instance,
    _: xr::SystemId,
    properties: *mut xr::SystemProperties,
) -> R {
    // SAFETY: the application hands over properties to fill, with a valid chain behind them.
    unsafe {
        let properties = &mut *properties;
        out::text(&mut properties.system_name, "mock headset");
        properties.graphics_properties = xr::SystemGraphicsProperties {
            max_swapchain_image_height: MOST_PX,
            max_swapchain_image_width: MOST_PX,
            max_layer_count: 16,
        };
        properties.tracking_properties =
            xr::SystemTrackingProperties { orientation_tracking: true.into(), position_tracking: true.into() };
        out::in_chain(
            properties.next,
            xr::StructureType::SYSTEM_HAND_TRACKING_PROPERTIES_EXT,
            |hands: &mut xr::SystemHandTrackingPropertiesEXT| hands.supports_hand_tracking = true.into(),
        );
    }
    R::SUCCESS
}

pub(crate) unsafe extern "system" fn view_configurations(
    _: xr::Instance,
    _: xr::SystemId,
    capacity: u32,
    count: *mut u32,
    items: *mut xr::ViewConfigurationType,
) -> R {
    // SAFETY: the application hands over room for `capacity` items.
    unsafe { out::array(1, capacity, count, items, |_, to| *to = STEREO) }
}

pub(crate) unsafe extern "system" fn view_configuration_properties(
    _: xr::Instance,
    _: xr::SystemId,
    ty: xr::ViewConfigurationType,
    properties: *mut xr::ViewConfigurationProperties,
) -> R {
    // SAFETY: the application hands over properties to fill.
    let properties = unsafe { &mut *properties };
    (properties.view_configuration_type, properties.fov_mutable) = (ty, false.into());
    R::SUCCESS
}

pub(crate) unsafe extern "system" fn view_configuration_views(
    _: xr::Instance,
    _: xr::SystemId,
    _: xr::ViewConfigurationType,
    capacity: u32,
    count: *mut u32,
    items: *mut xr::ViewConfigurationView,
) -> R {
    let edge = runtime().eye_px;
    // SAFETY: the application hands over room for `capacity` items.
    unsafe {
        out::array(2, capacity, count, items, |_, view| {
            (view.recommended_image_rect_width, view.max_image_rect_width) = (edge, MOST_PX);
            (view.recommended_image_rect_height, view.max_image_rect_height) = (edge, MOST_PX);
            (view.recommended_swapchain_sample_count, view.max_swapchain_sample_count) = (1, 1);
        })
    }
}

pub(crate) unsafe extern "system" fn blend_modes(
    _: xr::Instance,
    _: xr::SystemId,
    _: xr::ViewConfigurationType,
    capacity: u32,
    count: *mut u32,
    items: *mut xr::EnvironmentBlendMode,
) -> R {
    // SAFETY: the application hands over room for `capacity` items.
    unsafe { out::array(1, capacity, count, items, |_, to| *to = xr::EnvironmentBlendMode::OPAQUE) }
}

/// Hands over what the application has not heard yet.
pub(crate) unsafe extern "system" fn poll_event(_: xr::Instance, buffer: *mut xr::EventDataBuffer) -> R {
    use crate::runtime::Event;
    let mut runtime = runtime();
    let Some(event) = runtime.events.pop_front() else { return R::EVENT_UNAVAILABLE };
    let session = xr::Session::from_raw(1);
    // SAFETY: the buffer is larger than any event.
    unsafe {
        match event {
            Event::State(state) => {
                *buffer.cast() = xr::EventDataSessionStateChanged {
                    ty: xr::EventDataSessionStateChanged::TYPE,
                    next: std::ptr::null(),
                    session,
                    state,
                    time: frame::time(runtime.frames.now()),
                };
            }
            Event::Profile => {
                *buffer.cast() = xr::EventDataInteractionProfileChanged {
                    ty: xr::EventDataInteractionProfileChanged::TYPE,
                    next: std::ptr::null(),
                    session,
                };
            }
        }
    }
    R::SUCCESS
}
