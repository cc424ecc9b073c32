//! The little Vulkan a mock compositor needs: images the application renders into, and reading them back.

use std::ffi::{CStr, c_void};

use ash::vk::{self, Handle};
use openxr_sys as xr;

type VkResult<T> = Result<T, vk::Result>;
const ALL: vk::PipelineStageFlags = vk::PipelineStageFlags::ALL_COMMANDS;
const DRAWN: vk::ImageLayout = vk::ImageLayout::COLOR_ATTACHMENT_OPTIMAL;
const COPIED: vk::ImageLayout = vk::ImageLayout::TRANSFER_SRC_OPTIMAL;

/// A Vulkan handle as OpenXR hands it over.
pub(crate) fn to_raw<T: Handle>(handle: T) -> *const c_void {
    handle.as_raw() as usize as _
}

/// A Vulkan handle as OpenXR hands it over.
pub(crate) fn from_raw<T: Handle>(pointer: *const c_void) -> T {
    T::from_raw(pointer as usize as u64)
}

/// The application's entry into Vulkan, and the instance made with it.
#[derive(Clone, Copy)]
pub(crate) struct Loader {
    entry: vk::PFN_vkGetInstanceProcAddr,
    instance: vk::Instance,
}

impl Loader {
    /// # Safety
    /// `entry` is `vkGetInstanceProcAddr`.
    pub(crate) unsafe fn new(entry: xr::platform::VkGetInstanceProcAddr) -> Self {
        // SAFETY: the same function, as the two crates write its type.
        let entry = unsafe { std::mem::transmute::<xr::platform::VkGetInstanceProcAddr, vk::PFN_vkGetInstanceProcAddr>(entry) };
        Self { entry, instance: vk::Instance::null() }
    }

    /// # Safety
    /// `F` is the function's type.
    unsafe fn function<F: Copy>(&self, instance: vk::Instance, name: &CStr) -> Option<F> {
        // SAFETY: the caller vouches for the type; function pointers are of one size.
        unsafe {
            let function = (self.entry)(instance, name.as_ptr())?;
            Some(std::mem::transmute_copy::<unsafe extern "system" fn(), F>(&function))
        }
    }

    /// # Safety
    /// Both are valid for `vkCreateInstance`.
    pub(crate) unsafe fn create_instance(
        &mut self,
        info: *const vk::InstanceCreateInfo<'static>,
        allocator: *const vk::AllocationCallbacks<'static>,
    ) -> VkResult<vk::Instance> {
        // SAFETY: the type belongs to the name, and the caller vouches for the rest.
        unsafe {
            let create: vk::PFN_vkCreateInstance =
                self.function(vk::Instance::null(), c"vkCreateInstance").ok_or(vk::Result::ERROR_INITIALIZATION_FAILED)?;
            create(info, allocator, &mut self.instance).result()?;
        }
        Ok(self.instance)
    }

    /// # Safety
    /// The instance is alive.
    pub(crate) unsafe fn first_device(&self, instance: vk::Instance) -> Option<vk::PhysicalDevice> {
        // SAFETY: the type belongs to the name, and the buffer has the length that is asked for.
        unsafe {
            let list: vk::PFN_vkEnumeratePhysicalDevices = self.function(instance, c"vkEnumeratePhysicalDevices")?;
            let mut count = 0;
            list(instance, &mut count, std::ptr::null_mut()).result().ok()?;
            let mut devices = vec![vk::PhysicalDevice::null(); count as usize];
            list(instance, &mut count, devices.as_mut_ptr()).result().ok()?;
            devices.first().copied()
        }
    }

    /// # Safety
    /// All are valid for `vkCreateDevice`.
    pub(crate) unsafe fn create_device(
        &self,
        physical: vk::PhysicalDevice,
        info: *const vk::DeviceCreateInfo<'static>,
        allocator: *const vk::AllocationCallbacks<'static>,
    ) -> VkResult<vk::Device> {
        // SAFETY: the type belongs to the name, and the caller vouches for the rest.
        unsafe {
            let create: vk::PFN_vkCreateDevice =
                self.function(self.instance, c"vkCreateDevice").ok_or(vk::Result::ERROR_INITIALIZATION_FAILED)?;
            let mut device = vk::Device::null();
            create(physical, info, allocator, &mut device).result_with_success(device)
        }
    }

    /// The device a session is bound to.
    ///
    /// # Safety
    /// The binding's handles are alive and outlive the session.
    pub(crate) unsafe fn device(&self, binding: &xr::GraphicsBindingVulkanKHR) -> Device {
        let instance: vk::Instance = from_raw(binding.instance);
        // SAFETY: the caller vouches for the handles; the entry finds the functions of that instance.
        unsafe {
            let find = |name: &CStr| match (self.entry)(instance, name.as_ptr()) {
                Some(function) => function as *const c_void,
                None => std::ptr::null(),
            };
            let functions = ash::Instance::load_with(find, instance);
            let device = ash::Device::load(functions.fp_v1_0(), from_raw(binding.device));
            Device {
                memory: functions.get_physical_device_memory_properties(from_raw(binding.physical_device)),
                queue: device.get_device_queue(binding.queue_family_index, binding.queue_index),
                family: binding.queue_family_index,
                device,
            }
        }
    }
}

/// An image the application renders into.
pub(crate) struct Image {
    pub(crate) image: vk::Image,
    memory: vk::DeviceMemory,
}

/// The application's device and the queue it shares with the compositor, which OpenXR keeps from using it during a call.
pub(crate) struct Device {
    device: ash::Device,
    memory: vk::PhysicalDeviceMemoryProperties,
    queue: vk::Queue,
    family: u32,
}

impl Device {
    fn memory_type(&self, bits: u32, wanted: vk::MemoryPropertyFlags) -> VkResult<u32> {
        (0..self.memory.memory_type_count)
            .find(|&k| bits >> k & 1 == 1 && self.memory.memory_types[k as usize].property_flags.contains(wanted))
            .ok_or(vk::Result::ERROR_OUT_OF_DEVICE_MEMORY)
    }

    /// Records commands, submits them and waits for their end.
    fn run(&self, record: impl FnOnce(&ash::Device, vk::CommandBuffer)) -> VkResult<()> {
        let device = &self.device;
        // SAFETY: the device is alive, and everything made here is used only here.
        unsafe {
            let pool = device.create_command_pool(&vk::CommandPoolCreateInfo::default().queue_family_index(self.family), None)?;
            let info = vk::CommandBufferAllocateInfo::default().command_pool(pool).command_buffer_count(1);
            let result = device.allocate_command_buffers(&info).and_then(|buffers| {
                device.begin_command_buffer(buffers[0], &vk::CommandBufferBeginInfo::default())?;
                record(device, buffers[0]);
                device.end_command_buffer(buffers[0])?;
                device.queue_submit(self.queue, &[vk::SubmitInfo::default().command_buffers(&buffers)], vk::Fence::null())?;
                device.queue_wait_idle(self.queue)
            });
            device.destroy_command_pool(pool, None);
            result
        }
    }

    /// Images of a swapchain with `layers` layers each, handed over as OpenXR demands it: ready for drawing.
    pub(crate) fn images(&self, count: usize, format: vk::Format, size: [u32; 2], layers: u32) -> VkResult<Vec<Image>> {
        let info = vk::ImageCreateInfo::default()
            .flags(vk::ImageCreateFlags::MUTABLE_FORMAT)
            .image_type(vk::ImageType::TYPE_2D)
            .format(format)
            .extent(vk::Extent3D { width: size[0], height: size[1], depth: 1 })
            .mip_levels(1)
            .array_layers(layers)
            .samples(vk::SampleCountFlags::TYPE_1)
            .usage(
                vk::ImageUsageFlags::COLOR_ATTACHMENT
                    | vk::ImageUsageFlags::SAMPLED
                    | vk::ImageUsageFlags::TRANSFER_SRC
                    | vk::ImageUsageFlags::TRANSFER_DST,
            );
        let mut images = Vec::new();
        for _ in 0..count {
            // SAFETY: the device is alive, and the memory is of the size and type the image asks for.
            unsafe {
                let image = self.device.create_image(&info, None)?;
                let needs = self.device.get_image_memory_requirements(image);
                let kind = self.memory_type(needs.memory_type_bits, vk::MemoryPropertyFlags::DEVICE_LOCAL)?;
                let info = vk::MemoryAllocateInfo::default().allocation_size(needs.size).memory_type_index(kind);
                let memory = self.device.allocate_memory(&info, None)?;
                self.device.bind_image_memory(image, memory, 0)?;
                images.push(Image { image, memory });
            }
        }
        let barriers: Vec<_> = images.iter().map(|i| barrier(i.image, 0, layers, vk::ImageLayout::UNDEFINED, DRAWN)).collect();
        // SAFETY: the buffer is being recorded, and the images are new.
        self.run(|d, buffer| unsafe { d.cmd_pipeline_barrier(buffer, ALL, ALL, Default::default(), &[], &[], &barriers) })?;
        Ok(images)
    }

    /// Frees a swapchain's images.
    pub(crate) fn free(&self, images: Vec<Image>) {
        // SAFETY: OpenXR forbids the application to use them any more, and the device is idle.
        unsafe {
            let _ = self.device.device_wait_idle();
            for image in images {
                self.device.destroy_image(image.image, None);
                self.device.free_memory(image.memory, None);
            }
        }
    }

    /// One layer's pixels, four bytes each, as they lie in the image.
    pub(crate) fn read(&self, image: &Image, layer: u32, size: [u32; 2]) -> VkResult<Vec<u8>> {
        let (device, image) = (&self.device, image.image);
        let bytes = u64::from(size[0]) * u64::from(size[1]) * 4;
        let region = vk::BufferImageCopy {
            image_subresource: vk::ImageSubresourceLayers {
                aspect_mask: vk::ImageAspectFlags::COLOR,
                mip_level: 0,
                base_array_layer: layer,
                layer_count: 1,
            },
            image_extent: vk::Extent3D { width: size[0], height: size[1], depth: 1 },
            ..Default::default()
        };
        // SAFETY: the device is alive; the application released the image in the layout it got it in; the buffer holds all pixels.
        unsafe {
            let info = vk::BufferCreateInfo::default().size(bytes).usage(vk::BufferUsageFlags::TRANSFER_DST);
            let buffer = device.create_buffer(&info, None)?;
            let needs = device.get_buffer_memory_requirements(buffer);
            let visible = vk::MemoryPropertyFlags::HOST_VISIBLE | vk::MemoryPropertyFlags::HOST_COHERENT;
            let kind = self.memory_type(needs.memory_type_bits, visible)?;
            let info = vk::MemoryAllocateInfo::default().allocation_size(needs.size).memory_type_index(kind);
            let memory = device.allocate_memory(&info, None)?;
            device.bind_buffer_memory(buffer, memory, 0)?;
            self.run(|d, commands| {
                let barriers = [[barrier(image, layer, 1, DRAWN, COPIED)], [barrier(image, layer, 1, COPIED, DRAWN)]];
                d.cmd_pipeline_barrier(commands, ALL, ALL, Default::default(), &[], &[], &barriers[0]);
                d.cmd_copy_image_to_buffer(commands, image, COPIED, buffer, &[region]);
                d.cmd_pipeline_barrier(commands, ALL, ALL, Default::default(), &[], &[], &barriers[1]);
            })?;
            let pointer = device.map_memory(memory, 0, bytes, Default::default())?;
            let pixels = std::slice::from_raw_parts(pointer.cast::<u8>(), bytes as usize).to_vec();
            device.unmap_memory(memory);
            device.destroy_buffer(buffer, None);
            device.free_memory(memory, None);
            Ok(pixels)
        }
    }
}

fn barrier(
    image: vk::Image,
    layer: u32,
    layers: u32,
    from: vk::ImageLayout,
    to: vk::ImageLayout,
) -> vk::ImageMemoryBarrier<'static> {
    vk::ImageMemoryBarrier::default()
        .image(image)
        .old_layout(from)
        .new_layout(to)
        .src_access_mask(vk::AccessFlags::MEMORY_WRITE)
        .dst_access_mask(vk::AccessFlags::MEMORY_READ | vk::AccessFlags::MEMORY_WRITE)
        .src_queue_family_index(vk::QUEUE_FAMILY_IGNORED)
        .dst_queue_family_index(vk::QUEUE_FAMILY_IGNORED)
        .subresource_range(vk::ImageSubresourceRange {
            aspect_mask: vk::ImageAspectFlags::COLOR,
            base_mip_level: 0,
            level_count: 1,
            base_array_layer: layer,
            layer_count: layers,
        })
}
