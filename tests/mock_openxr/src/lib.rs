//! A scripted OpenXR runtime for tests, without a headset.
