//! A scripted OpenXR runtime for tests, without a headset.
//!
//! The library `libmockxr.so` is an OpenXR runtime: a loader finds it through `XR_RUNTIME_JSON`, or it stands in for the loader
//! itself under the name `libopenxr_loader.so`. It hands out Vulkan swapchains, plays a script of head, hands, buttons and
//! session states (module `script`), writes what the application submits as PNG files, and logs haptics and everything else that a
//! test wants to read.
//!
//! | variable | meaning |
//! | --- | --- |
//! | `MOCKXR_SCRIPT` | file with the script; without it the head stands still at 1.6 m with a hand on either side |
//! | `MOCKXR_LOG` | file for the log, one line an event, first the script's time in seconds |
//! | `MOCKXR_CLOCK` | `wall` (default): script time is real time; `frames`: every frame advances it by one period |
//! | `MOCKXR_HZ`, `MOCKXR_SIZE` | display rate (72) and pixels along an eye's edge (512) |
//! | `MOCKXR_PROFILE` | interaction profile of the controllers (Touch) |
//! | `MOCKXR_NO_INSTANCE`, `MOCKXR_NO_HEADSET`, `MOCKXR_NO_SESSION` | set: that call fails as it does without runtime, headset, graphics |
#![expect(unsafe_code, reason = "an OpenXR runtime is a C interface: raw pointers in and out, and Vulkan underneath")]

mod actions;
mod dispatch;
mod frame;
mod hands;
mod instance;
mod math;
mod out;
mod runtime;
mod script;
mod session;
mod spaces;
mod swapchain;
mod vulkan;
mod vulkan_enable;
