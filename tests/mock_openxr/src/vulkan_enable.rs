//! `XR_KHR_vulkan_enable2`: the runtime makes the application's Vulkan instance and device.

use std::ffi::c_void;

use openxr_sys as xr;
use xr::Result as R;

use crate::runtime::runtime;
use crate::vulkan::{Loader, from_raw, to_raw};

pub(crate) unsafe extern "system" fn requirements(
    _: xr::Instance,
    _: xr::SystemId,
    requirements: *mut xr::GraphicsRequirementsVulkanKHR,
) -> R {
    // SAFETY: the application hands over requirements to fill.
    unsafe {
        (*requirements).min_api_version_supported = xr::Version::new(1, 0, 0);
        (*requirements).max_api_version_supported = xr::Version::new(1, 4, 0);
    }
    R::SUCCESS
}

pub(crate) unsafe extern "system" fn create_instance(
    _: xr::Instance,
    info: *const xr::VulkanInstanceCreateInfoKHR,
    instance: *mut *const c_void,
    result: *mut i32,
) -> R {
    // SAFETY: the application hands over a valid description, with Vulkan's own inside, and room for handle and result.
    unsafe {
        let info = &*info;
        let Some(entry) = info.pfn_get_instance_proc_addr else { return R::ERROR_VALIDATION_FAILURE };
        let mut loader = Loader::new(entry);
        match loader.create_instance(info.vulkan_create_info.cast(), info.vulkan_allocator.cast()) {
            Ok(made) => (*instance, *result) = (to_raw(made), 0),
            Err(error) => *result = error.as_raw(),
        }
        runtime().loader = Some(loader);
    }
    R::SUCCESS
}

pub(crate) unsafe extern "system" fn physical_device(
    _: xr::Instance,
    info: *const xr::VulkanGraphicsDeviceGetInfoKHR,
    device: *mut *const c_void,
) -> R {
    let Some(loader) = runtime().loader else { return R::ERROR_RUNTIME_FAILURE };
    // SAFETY: the application hands over a valid description with its Vulkan instance, and room for the handle.
    unsafe {
        let Some(found) = loader.first_device(from_raw((*info).vulkan_instance)) else { return R::ERROR_RUNTIME_FAILURE };
        *device = to_raw(found);
    }
    R::SUCCESS
}

pub(crate) unsafe extern "system" fn create_device(
    _: xr::Instance,
    info: *const xr::VulkanDeviceCreateInfoKHR,
    device: *mut *const c_void,
    result: *mut i32,
) -> R {
    let Some(loader) = runtime().loader else { return R::ERROR_RUNTIME_FAILURE };
    // SAFETY: the application hands over a valid description, with Vulkan's own inside, and room for handle and result.
    unsafe {
        let info = &*info;
        match loader.create_device(
            from_raw(info.vulkan_physical_device),
            info.vulkan_create_info.cast(),
            info.vulkan_allocator.cast(),
        ) {
            Ok(made) => (*device, *result) = (to_raw(made), 0),
            Err(error) => *result = error.as_raw(),
        }
    }
    R::SUCCESS
}
