//! Any bytes as a NIfTI image: an image or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use spinor_prepare::nifti_io::{decode_nifti, encode_nifti};
use spinor_prepare::volume3d::Image;

fuzz_target!(|bytes: &[u8]| {
    // What was read is written and read again: the same voxels.
    if let Ok(image) = decode_nifti::<i16>(bytes) {
        let mut written = Vec::new();
        if encode_nifti(&mut written, &image).is_ok() {
            if let Ok(again) = decode_nifti::<i16>(&written[..]) {
                assert_eq!(again.voxels, image.voxels);
            }
        }
    }
    let _: Result<Image<u16>, _> = decode_nifti(bytes);
    let _: Result<Image<f32>, _> = decode_nifti(bytes);
});
