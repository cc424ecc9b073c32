//! Swapchains: images acquired, released and read back.

use ash::vk::{self, Handle as _};
use openxr_sys as xr;
use xr::Handle as _;
use xr::Result as R;

use crate::out;
use crate::runtime::{ByHandle, runtime};
use crate::vulkan::{Device, Image};

/// Formats on offer, the best first.
const FORMATS: [vk::Format; 2] = [vk::Format::R8G8B8A8_SRGB, vk::Format::B8G8R8A8_SRGB];
/// Images of a swapchain.
const IMAGES: usize = 3;

struct Swapchain {
    images: Vec<Image>,
    size: [u32; 2],
    format: vk::Format,
    next: usize,
    acquired: Option<usize>,
    released: Option<usize>,
}

/// All swapchains of the session and the device they live on.
#[derive(Default)]
pub(crate) struct Swapchains {
    device: Option<Device>,
    chains: ByHandle<Swapchain>,
}

impl Swapchains {
    pub(crate) fn set_device(&mut self, device: Device) {
        self.device = Some(device);
    }

    /// Writes one layer of the image released last to a PNG file.
    pub(crate) fn capture(&self, chain: xr::Swapchain, layer: u32, path: &str) -> Result<(), String> {
        let chain = self.chains.get(&chain.into_raw()).ok_or("no such swapchain")?;
        let device = self.device.as_ref().ok_or("no device")?;
        let image = chain.released.and_then(|k| chain.images.get(k)).ok_or("nothing released yet")?;
        let mut pixels = device.read(image, layer, chain.size).map_err(|e| e.to_string())?;
        for pixel in pixels.chunks_exact_mut(4) {
            if chain.format == vk::Format::B8G8R8A8_SRGB {
                pixel.swap(0, 2);
            }
            // The compositor shows an opaque layer; what the application left in alpha is none of the picture's business.
            pixel[3] = 255;
        }
        image::save_buffer(path, &pixels, chain.size[0], chain.size[1], image::ExtendedColorType::Rgba8)
            .map_err(|e| e.to_string())
    }
}

pub(crate) unsafe extern "system" fn formats(_: xr::Session, capacity: u32, count: *mut u32, items: *mut i64) -> R {
    // SAFETY: the application hands over room for `capacity` items.
    unsafe { out::array(FORMATS.len(), capacity, count, items, |k, to| *to = i64::from(FORMATS[k].as_raw())) }
}

pub(crate) unsafe extern "system" fn create(
    _: xr::Session,
    info: *const xr::SwapchainCreateInfo,
    chain: *mut xr::Swapchain,
) -> R {
    let mut runtime = runtime();
    // SAFETY: the application hands over a valid description.
    let info = unsafe { &*info };
    let Some(format) = FORMATS.into_iter().find(|f| i64::from(f.as_raw()) == info.format) else {
        return runtime.fault("xrCreateSwapchain", R::ERROR_SWAPCHAIN_FORMAT_UNSUPPORTED);
    };
    let size = [info.width, info.height];
    let Some(device) = &runtime.swapchains.device else { return R::ERROR_RUNTIME_FAILURE };
    let Ok(images) = device.images(IMAGES, format, size, info.array_size) else {
        return runtime.fault("xrCreateSwapchain", R::ERROR_RUNTIME_FAILURE);
    };
    let handle = runtime.handle();
    runtime.note(&format!("swapchain {}x{} layers {} {format:?}", size[0], size[1], info.array_size));
    runtime.swapchains.chains.insert(handle, Swapchain { images, size, format, next: 0, acquired: None, released: None });
    // SAFETY: the application hands over room for the handle.
    unsafe { *chain = xr::Swapchain::from_raw(handle) };
    R::SUCCESS
}

pub(crate) unsafe extern "system" fn destroy(chain: xr::Swapchain) -> R {
    let mut runtime = runtime();
    let Some(chain) = runtime.swapchains.chains.remove(&chain.into_raw()) else { return R::ERROR_HANDLE_INVALID };
    if let Some(device) = &runtime.swapchains.device {
        device.free(chain.images);
    }
    R::SUCCESS
}

pub(crate) unsafe extern "system" fn images(
    chain: xr::Swapchain,
    capacity: u32,
    count: *mut u32,
    items: *mut xr::SwapchainImageBaseHeader,
) -> R {
    let runtime = runtime();
    let Some(chain) = runtime.swapchains.chains.get(&chain.into_raw()) else { return R::ERROR_HANDLE_INVALID };
    // SAFETY: the application hands over room for `capacity` Vulkan images, the only kind there is.
    unsafe {
        out::array(chain.images.len(), capacity, count, items.cast::<xr::SwapchainImageVulkanKHR>(), |k, to| {
            to.image = chain.images[k].image.as_raw();
        })
    }
}

pub(crate) unsafe extern "system" fn acquire(
    chain: xr::Swapchain,
    _: *const xr::SwapchainImageAcquireInfo,
    index: *mut u32,
) -> R {
    let mut runtime = runtime();
    let Some(chain) = runtime.swapchains.chains.get_mut(&chain.into_raw()) else { return R::ERROR_HANDLE_INVALID };
    if chain.acquired.is_some() {
        return runtime.fault("xrAcquireSwapchainImage", R::ERROR_CALL_ORDER_INVALID);
    }
    let taken = chain.next;
    (chain.next, chain.acquired) = ((taken + 1) % chain.images.len(), Some(taken));
    // SAFETY: the application hands over room for the number.
    unsafe { *index = taken as u32 };
    R::SUCCESS
}

pub(crate) unsafe extern "system" fn wait(_: xr::Swapchain, _: *const xr::SwapchainImageWaitInfo) -> R {
    R::SUCCESS
}

pub(crate) unsafe extern "system" fn release(chain: xr::Swapchain, _: *const xr::SwapchainImageReleaseInfo) -> R {
    let mut runtime = runtime();
    let Some(chain) = runtime.swapchains.chains.get_mut(&chain.into_raw()) else { return R::ERROR_HANDLE_INVALID };
    let Some(taken) = chain.acquired.take() else {
        return runtime.fault("xrReleaseSwapchainImage", R::ERROR_CALL_ORDER_INVALID);
    };
    chain.released = Some(taken);
    R::SUCCESS
}
