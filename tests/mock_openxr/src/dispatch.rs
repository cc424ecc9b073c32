//! The table of functions.

use std::ffi::{CStr, c_char};

use openxr_sys as xr;
use xr::Result as R;
use xr::pfn;

use crate::{actions, frame, hands, instance, session, spaces, swapchain, vulkan_enable};

/// Looks a name up among `name type function` rows.
macro_rules! table {
    ($name:expr; $($literal:literal $pfn:ident $function:path),* $(,)?) => {
        match $name {
            $($literal => {
                let function: pfn::$pfn = $function;
                // SAFETY: function pointers are of one size; the application casts back to the type that belongs to the name.
                Some(unsafe { std::mem::transmute::<pfn::$pfn, pfn::VoidFunction>(function) })
            })*
            _ => None,
        }
    };
}

/// Every function of the runtime by its name.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "system" fn xrGetInstanceProcAddr(
    _: xr::Instance,
    name: *const c_char,
    function: *mut Option<pfn::VoidFunction>,
) -> R {
    // SAFETY: the application hands over a string ended by a zero.
    let found = find(unsafe { CStr::from_ptr(name) }.to_str().unwrap_or(""));
    // SAFETY: the application hands over room for the function.
    unsafe { *function = found };
    if found.is_some() { R::SUCCESS } else { R::ERROR_FUNCTION_UNSUPPORTED }
}

fn find(name: &str) -> Option<pfn::VoidFunction> {
    table!(name;
        "xrGetInstanceProcAddr" GetInstanceProcAddr xrGetInstanceProcAddr,
        "xrEnumerateInstanceExtensionProperties" EnumerateInstanceExtensionProperties instance::xrEnumerateInstanceExtensionProperties,
        "xrEnumerateApiLayerProperties" EnumerateApiLayerProperties instance::xrEnumerateApiLayerProperties,
        "xrCreateInstance" CreateInstance instance::xrCreateInstance,
        "xrDestroyInstance" DestroyInstance instance::destroy,
        "xrResultToString" ResultToString instance::result_to_string,
        "xrStructureTypeToString" StructureTypeToString instance::structure_to_string,
        "xrGetInstanceProperties" GetInstanceProperties instance::properties,
        "xrGetSystem" GetSystem instance::system,
        "xrGetSystemProperties" GetSystemProperties instance::system_properties,
        "xrEnumerateViewConfigurations" EnumerateViewConfigurations instance::view_configurations,
        "xrGetViewConfigurationProperties" GetViewConfigurationProperties instance::view_configuration_properties,
        "xrEnumerateViewConfigurationViews" EnumerateViewConfigurationViews instance::view_configuration_views,
        "xrEnumerateEnvironmentBlendModes" EnumerateEnvironmentBlendModes instance::blend_modes,
        "xrPollEvent" PollEvent instance::poll_event,
        "xrCreateSession" CreateSession session::create,
        "xrDestroySession" DestroySession session::destroy,
        "xrBeginSession" BeginSession session::begin,
        "xrEndSession" EndSession session::end,
        "xrRequestExitSession" RequestExitSession session::request_exit,
        "xrWaitFrame" WaitFrame frame::wait,
        "xrBeginFrame" BeginFrame frame::begin,
        "xrEndFrame" EndFrame frame::end,
        "xrEnumerateReferenceSpaces" EnumerateReferenceSpaces spaces::reference_kinds,
        "xrCreateReferenceSpace" CreateReferenceSpace spaces::create_reference,
        "xrCreateActionSpace" CreateActionSpace spaces::create_action,
        "xrDestroySpace" DestroySpace spaces::destroy,
        "xrGetReferenceSpaceBoundsRect" GetReferenceSpaceBoundsRect spaces::bounds,
        "xrLocateSpace" LocateSpace spaces::locate,
        "xrLocateViews" LocateViews spaces::locate_views,
        "xrEnumerateSwapchainFormats" EnumerateSwapchainFormats swapchain::formats,
        "xrCreateSwapchain" CreateSwapchain swapchain::create,
        "xrDestroySwapchain" DestroySwapchain swapchain::destroy,
        "xrEnumerateSwapchainImages" EnumerateSwapchainImages swapchain::images,
        "xrAcquireSwapchainImage" AcquireSwapchainImage swapchain::acquire,
        "xrWaitSwapchainImage" WaitSwapchainImage swapchain::wait,
        "xrReleaseSwapchainImage" ReleaseSwapchainImage swapchain::release,
        "xrStringToPath" StringToPath actions::string_to_path,
        "xrPathToString" PathToString actions::path_to_string,
        "xrCreateActionSet" CreateActionSet actions::create_set,
        "xrDestroyActionSet" DestroyActionSet actions::destroy_set,
        "xrCreateAction" CreateAction actions::create,
        "xrDestroyAction" DestroyAction actions::destroy,
        "xrSuggestInteractionProfileBindings" SuggestInteractionProfileBindings actions::suggest,
        "xrAttachSessionActionSets" AttachSessionActionSets actions::attach,
        "xrGetCurrentInteractionProfile" GetCurrentInteractionProfile actions::current_profile,
        "xrSyncActions" SyncActions actions::sync,
        "xrGetActionStateBoolean" GetActionStateBoolean actions::boolean,
        "xrGetActionStateFloat" GetActionStateFloat actions::float,
        "xrGetActionStateVector2f" GetActionStateVector2f actions::vector,
        "xrGetActionStatePose" GetActionStatePose actions::pose,
        "xrApplyHapticFeedback" ApplyHapticFeedback actions::vibrate,
        "xrStopHapticFeedback" StopHapticFeedback actions::stop_vibrating,
        "xrEnumerateBoundSourcesForAction" EnumerateBoundSourcesForAction actions::bound_sources,
        "xrGetInputSourceLocalizedName" GetInputSourceLocalizedName actions::source_name,
        "xrGetVulkanGraphicsRequirements2KHR" GetVulkanGraphicsRequirements2KHR vulkan_enable::requirements,
        "xrCreateVulkanInstanceKHR" CreateVulkanInstanceKHR vulkan_enable::create_instance,
        "xrGetVulkanGraphicsDevice2KHR" GetVulkanGraphicsDevice2KHR vulkan_enable::physical_device,
        "xrCreateVulkanDeviceKHR" CreateVulkanDeviceKHR vulkan_enable::create_device,
        "xrCreateHandTrackerEXT" CreateHandTrackerEXT hands::create,
        "xrDestroyHandTrackerEXT" DestroyHandTrackerEXT hands::destroy,
        "xrLocateHandJointsEXT" LocateHandJointsEXT hands::locate,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_functions_are_not_found() {
        assert!(find("xrPollEvent").is_some());
        assert!(find("xrMakeCoffee").is_none());
    }
}
