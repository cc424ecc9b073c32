//! The session's life: created on a Vulkan device, begun, ended, lost.

use openxr_sys as xr;
use xr::Handle as _;
use xr::Result as R;
use xr::SessionState as S;

use crate::runtime::{runtime, switch};

pub(crate) unsafe extern "system" fn create(_: xr::Instance, info: *const xr::SessionCreateInfo, session: *mut xr::Session) -> R {
    let mut runtime = runtime();
    if switch("MOCKXR_NO_SESSION") {
        return R::ERROR_GRAPHICS_DEVICE_INVALID;
    }
    let Some(loader) = runtime.loader else {
        return runtime.fault("xrCreateSession", R::ERROR_GRAPHICS_REQUIREMENTS_CALL_MISSING);
    };
    let mut device = None;
    // SAFETY: the application hands over a valid description with a chain of valid structures.
    unsafe {
        let mut next = (*info).next.cast::<xr::BaseInStructure>();
        while !next.is_null() {
            if (*next).ty == xr::StructureType::GRAPHICS_BINDING_VULKAN_KHR {
                device = Some(loader.device(&*next.cast::<xr::GraphicsBindingVulkanKHR>()));
            }
            next = (*next).next;
        }
    }
    let Some(device) = device else { return runtime.fault("xrCreateSession", R::ERROR_GRAPHICS_DEVICE_INVALID) };
    runtime.reset_session();
    runtime.swapchains.set_device(device);
    runtime.frames.start();
    runtime.note("session created");
    [S::IDLE, S::READY].into_iter().for_each(|state| runtime.enter(state));
    // SAFETY: the application hands over room for the handle.
    unsafe { *session = xr::Session::from_raw(1) };
    R::SUCCESS
}

pub(crate) unsafe extern "system" fn destroy(_: xr::Session) -> R {
    let mut runtime = runtime();
    runtime.note("session destroyed");
    runtime.reset_session();
    R::SUCCESS
}

pub(crate) unsafe extern "system" fn begin(_: xr::Session, _: *const xr::SessionBeginInfo) -> R {
    let mut runtime = runtime();
    if runtime.running {
        return runtime.fault("xrBeginSession", R::ERROR_SESSION_RUNNING);
    }
    if runtime.state != S::READY {
        return runtime.fault("xrBeginSession", R::ERROR_SESSION_NOT_READY);
    }
    runtime.running = true;
    [S::SYNCHRONIZED, S::VISIBLE, S::FOCUSED].into_iter().for_each(|state| runtime.enter(state));
    R::SUCCESS
}

pub(crate) unsafe extern "system" fn end(_: xr::Session) -> R {
    let mut runtime = runtime();
    if !runtime.running {
        return runtime.fault("xrEndSession", R::ERROR_SESSION_NOT_RUNNING);
    }
    if runtime.state != S::STOPPING {
        return runtime.fault("xrEndSession", R::ERROR_SESSION_NOT_STOPPING);
    }
    runtime.running = false;
    [S::IDLE, S::EXITING].into_iter().for_each(|state| runtime.enter(state));
    R::SUCCESS
}

pub(crate) unsafe extern "system" fn request_exit(_: xr::Session) -> R {
    let mut runtime = runtime();
    if !runtime.running {
        return runtime.fault("xrRequestExitSession", R::ERROR_SESSION_NOT_RUNNING);
    }
    runtime.ask_exit();
    R::SUCCESS
}
