//! Round trips, orientations, number formats, and files that lie.

use proptest::prelude::*;

use super::*;
use crate::volume3d::{Geometry, IDENTITY};

fn small(direction: [[f64; 3]; 3]) -> Image<i16> {
    let geometry = Geometry::new([5, 4, 3], [0.7, 0.8, 2.5], [-120.25, 33.5, -710.0], direction).unwrap();
    Image::new(geometry, (0..60).map(|n| n * 37 - 1024).collect()).unwrap()
}

fn encoded(image: &Image<i16>) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_nifti(&mut bytes, image).unwrap();
    bytes
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut gz = GzEncoder::new(Vec::new(), Compression::new(4));
    gz.write_all(bytes).unwrap();
    gz.finish().unwrap()
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

/// A rotation from three angles, with an optional flip of an axis.
fn rotation(a: f64, b: f64, c: f64, flip: Option<usize>) -> [[f64; 3]; 3] {
    let mul = |x: [[f64; 3]; 3], y: [[f64; 3]; 3]| {
        let mut out = [[0.0; 3]; 3];
        for i in 0..3 {
            for j in 0..3 {
                out[i][j] = (0..3).map(|k| x[i][k] * y[k][j]).sum();
            }
        }
        out
    };
    let rz = [[a.cos(), -a.sin(), 0.0], [a.sin(), a.cos(), 0.0], [0.0, 0.0, 1.0]];
    let ry = [[b.cos(), 0.0, b.sin()], [0.0, 1.0, 0.0], [-b.sin(), 0.0, b.cos()]];
    let rx = [[1.0, 0.0, 0.0], [0.0, c.cos(), -c.sin()], [0.0, c.sin(), c.cos()]];
    let mut d = mul(rz, mul(ry, rx));
    if let Some(k) = flip {
        for row in &mut d {
            row[k] = -row[k];
        }
    }
    d
}

/// How far the format itself may move a point `reach_mm` from the origin: it stores b, c and d of the quaternion in single
/// precision, and a = √(1 − b² − c² − d²) loses half the digits as the rotation nears 180°.
fn qform_error_mm(bytes: &[u8], reach_mm: f64) -> f64 {
    let at = |offset: usize| f64::from(f32::from_le_bytes(bytes[offset..offset + 4].try_into().unwrap()));
    let squares: f64 = [256, 260, 264].map(|offset| at(offset).powi(2)).iter().sum();
    let error_of_square = 2.0 * 3.0_f64.sqrt() * f64::from(f32::EPSILON) / 2.0;
    let a = (1.0 - squares).max(0.0).sqrt();
    let error_of_a = error_of_square.sqrt().min(error_of_square / (2.0 * a).max(f64::MIN_POSITIVE));
    2.0 * error_of_a * reach_mm
}

proptest! {
    /// Whatever the orientation, left-handed ones too, a written image reads back at the same place, by sform and by qform alone.
    #[test]
    fn written_images_read_back_in_place(a in -3.1..3.1_f64, b in -3.1..3.1_f64, c in -3.1..3.1_f64, flip in prop::option::of(0..3_usize)) {
        let image = small(rotation(a, b, c, flip));
        let mut bytes = encoded(&image);
        let by_sform: Image<i16> = decode_nifti(&bytes[..]).unwrap();
        prop_assert!(by_sform.geometry.same_lattice(&image.geometry, 1e-3));
        prop_assert_eq!(&by_sform.voxels, &image.voxels);
        put(&mut bytes, 254, &0_i16.to_le_bytes());
        put(&mut bytes, 280, &[0; 48]);
        let by_qform: Image<i16> = decode_nifti(&bytes[..]).unwrap();
        let tolerance = 1e-3 + qform_error_mm(&bytes, 9.0);
        prop_assert!(by_qform.geometry.same_lattice(&image.geometry, tolerance), "{:?} {:?}", by_qform.geometry, image.geometry);
    }
}

#[test]
fn world_axes_change_sign_and_voxels_stay() {
    // RAS +x of the file is patient left-to-right, so a file along RAS has LPS directions (-1, -1, 1).
    let mut bytes = encoded(&small(IDENTITY));
    put(&mut bytes, 254, &0_i16.to_le_bytes());
    put(&mut bytes, 252, &0_i16.to_le_bytes());
    let bare: Image<i16> = decode_nifti(&bytes[..]).unwrap();
    assert_eq!(bare.geometry.direction, [[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]]);
    assert_eq!(bare.geometry.origin_mm, [0.0; 3]);
    assert_eq!(bare.voxels, small(IDENTITY).voxels);
}

#[test]
fn metres_become_millimetres() {
    let geometry = Geometry::axis_aligned([2, 2, 2], [0.001, 0.002, 0.01], [0.5, 0.0, 0.0]).unwrap();
    let mut bytes = encoded(&Image::filled(geometry, 0));
    put(&mut bytes, 123, &[1]);
    let image: Image<i16> = decode_nifti(&bytes[..]).unwrap();
    assert!((image.geometry.spacing_mm[2] - 10.0).abs() < 1e-4);
    assert!((image.geometry.origin_mm[0] - 500.0).abs() < 1e-3);
}

#[test]
fn slope_zero_means_unscaled() {
    let mut bytes = encoded(&small(IDENTITY));
    put(&mut bytes, 112, &0_f32.to_le_bytes());
    put(&mut bytes, 116, &99_f32.to_le_bytes());
    let image: Image<i16> = decode_nifti(&bytes[..]).unwrap();
    assert_eq!(image.voxels, small(IDENTITY).voxels);
    put(&mut bytes, 112, &2_f32.to_le_bytes());
    let image: Image<f32> = decode_nifti(&bytes[..]).unwrap();
    assert_eq!(image.voxels[1], (37.0 - 1024.0) * 2.0 + 99.0);
}

/// Every real data type, in both byte orders, and as NIfTI-2.
#[test]
fn all_number_formats_are_read() {
    let image = small(rotation(0.1, 0.2, 0.3, None));
    let value = |n: usize| n as f64;
    for (code, bits) in [(2, 8), (256, 8), (4, 16), (512, 16), (8, 32), (768, 32), (1024, 64), (1280, 64), (16, 32), (64, 64)] {
        for little in [true, false] {
            for second in [false, true] {
                let mut bytes = if second { second_version(&image.geometry, little) } else { encoded(&image)[..352].to_vec() };
                let at = if second { 12 } else { 70 };
                put(&mut bytes, at, &i16::to_le_bytes(code));
                put(&mut bytes, at + 2, &i16::to_le_bytes(bits));
                if second {
                    if !little {
                        bytes[at..at + 2].reverse();
                        bytes[at + 2..at + 4].reverse();
                    }
                } else if !little {
                    swap_first_version(&mut bytes);
                }
                for n in 0..60 {
                    let mut v: Vec<u8> = match code {
                        16 => (value(n) as f32).to_le_bytes().to_vec(),
                        64 => value(n).to_le_bytes().to_vec(),
                        _ => (n as u64).to_le_bytes()[..bits as usize / 8].to_vec(),
                    };
                    if !little {
                        v.reverse();
                    }
                    bytes.extend_from_slice(&v);
                }
                let read: Image<f32> = decode_nifti(&bytes[..]).unwrap_or_else(|e| panic!("{code} {little} {second}: {e}"));
                assert!(read.geometry.same_lattice(&image.geometry, 1e-3), "{code} {little} {second}");
                assert!(read.voxels.iter().enumerate().all(|(n, v)| f64::from(*v) == value(n)), "{code} {little} {second}");
            }
        }
    }
}

fn swap_first_version(h: &mut [u8]) {
    let mut fields: Vec<(usize, usize)> = vec![(0, 4), (32, 4), (36, 2)];
    fields.extend((0..8).map(|k| (40 + 2 * k, 2)));
    fields.extend((0..3).map(|k| (56 + 4 * k, 4)));
    fields.extend((0..4).map(|k| (68 + 2 * k, 2)));
    fields.extend((0..11).map(|k| (76 + 4 * k, 4)));
    fields.push((120, 2));
    fields.extend((0..6).map(|k| (124 + 4 * k, 4)));
    fields.extend([(252, 2), (254, 2)]);
    fields.extend((0..18).map(|k| (256 + 4 * k, 4)));
    for (at, n) in fields {
        h[at..at + n].reverse();
    }
}

fn second_version(g: &Geometry, little: bool) -> Vec<u8> {
    let mut h = vec![0; 544];
    let mut field = |at: usize, mut v: Vec<u8>| {
        if !little {
            v.reverse();
        }
        h[at..at + v.len()].copy_from_slice(&v);
    };
    field(0, 540_i32.to_le_bytes().to_vec());
    for (k, n) in [3, g.size[0] as i64, g.size[1] as i64, g.size[2] as i64, 1, 1, 1, 1].into_iter().enumerate() {
        field(16 + 8 * k, n.to_le_bytes().to_vec());
    }
    field(168, 544_i64.to_le_bytes().to_vec());
    field(348, 1_i32.to_le_bytes().to_vec());
    for (row, r) in g.affine().iter().enumerate() {
        for (col, v) in r.iter().enumerate() {
            field(400 + 32 * row + 8 * col, (if row < 2 { -v } else { *v }).to_le_bytes().to_vec());
        }
    }
    h[4..8].copy_from_slice(b"n+2\0");
    h
}

#[test]
fn sheared_colour_and_many_volumes_are_refused_by_name() {
    let error = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = encoded(&small(IDENTITY));
        change(&mut bytes);
        decode_nifti::<i16>(&bytes[..]).unwrap_err().to_string()
    };
    let sheared = error(&|b| put(b, 304, &0.2_f32.to_le_bytes()));
    assert!(sheared.contains("sheared"), "{sheared}");
    let colour = error(&|b| {
        put(b, 70, &128_i16.to_le_bytes());
        put(b, 72, &24_i16.to_le_bytes());
    });
    assert!(colour.contains("colour"), "{colour}");
    let many = error(&|b| {
        put(b, 40, &4_i16.to_le_bytes());
        put(b, 48, &4_i16.to_le_bytes());
    });
    assert!(many.contains("4 volumes"), "{many}");
    let pair = error(&|b| put(b, 344, b"ni1\0"));
    assert!(pair.contains(".img"), "{pair}");
}

#[test]
fn four_dimensions_with_one_volume_are_an_image() {
    let mut bytes = encoded(&small(IDENTITY));
    put(&mut bytes, 40, &4_i16.to_le_bytes());
    assert!(decode_nifti::<i16>(&bytes[..]).is_ok());
}

#[test]
fn intensities_are_no_labels_and_paddings_saturate() {
    let geometry = Geometry::axis_aligned([2, 1, 1], [1.0; 3], [0.0; 3]).unwrap();
    let mut bytes = Vec::new();
    encode_nifti(&mut bytes, &Image::new(geometry, vec![1.5_f32, 1e9]).unwrap()).unwrap();
    assert!(matches!(decode_nifti::<u16>(&bytes[..]), Err(NiftiError::Value { at: [0, 0, 0], .. })));
    assert_eq!(decode_nifti::<i16>(&bytes[..]).unwrap().voxels, [2, i16::MAX]);
    put(&mut bytes, 352, &f32::NAN.to_le_bytes());
    assert!(decode_nifti::<i16>(&bytes[..]).is_err() && decode_nifti::<f32>(&bytes[..]).is_err());
}

#[test]
fn files_are_written_whole() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.nii", "a.nii.gz"] {
        let path = folder.path().join(name);
        let image = small(rotation(0.4, -0.2, 1.0, Some(1)));
        write_nifti(&path, &image).unwrap();
        assert!(looks_like_nifti(&path));
        let back = read_nifti_i16(&path).unwrap();
        assert_eq!(back.voxels, image.voxels);
        assert!(is_oriented(&path).unwrap());
    }
}

/// A file cut off anywhere is an error, packed or not.
#[test]
fn every_truncation_is_an_error() {
    let bytes = encoded(&small(IDENTITY));
    let gz = packed(&bytes);
    for (whole, name) in [(&bytes, "plain"), (&gz, "packed")] {
        for n in 0..whole.len() {
            assert!(decode_nifti::<i16>(&whole[..n]).is_err(), "{name} cut to {n} bytes");
        }
        assert!(decode_nifti::<i16>(&whole[..]).is_ok());
    }
}

/// Any flipped bit gives an image or an error, never a panic; in a packed file it never goes unnoticed in the voxels.
#[test]
fn flipped_bits_never_panic() {
    let bytes = encoded(&small(IDENTITY));
    let gz = packed(&bytes);
    for bit in 0..bytes.len() * 8 {
        let mut b = bytes.clone();
        b[bit / 8] ^= 1 << (bit % 8);
        let _ = decode_nifti::<i16>(&b[..]);
        let _ = decode_nifti::<u16>(&b[..]);
        let _ = decode_nifti::<f32>(&b[..]);
    }
    // The first ten bytes of a gzip member hold flags, time and system, which the checksum does not cover.
    for bit in 80..gz.len() * 8 {
        let mut b = gz.clone();
        b[bit / 8] ^= 1 << (bit % 8);
        if let Ok(image) = decode_nifti::<i16>(&b[..]) {
            assert_eq!(image.voxels, small(IDENTITY).voxels, "bit {bit}");
        }
    }
}

/// A header that claims half a gigabyte with nothing behind it costs a chunk of memory, not half a gigabyte.
#[test]
fn a_lying_header_is_truncated_not_allocated() {
    let mut bytes = encoded(&small(IDENTITY));
    for k in 0..3 {
        put(&mut bytes, 42 + 2 * k, &800_i16.to_le_bytes());
    }
    assert!(matches!(decode_nifti::<i16>(&bytes[..]), Err(NiftiError::Truncated { what: "voxels" })));
    for k in 0..3 {
        put(&mut bytes, 42 + 2 * k, &(-1_i16).to_le_bytes());
    }
    assert!(matches!(decode_nifti::<i16>(&bytes[..]), Err(NiftiError::Geometry(GeometryError::Size(_)))));
}

/// A file that does not say which way its axes run is told from one that does.
#[test]
fn a_missing_orientation_is_noticed() {
    let image = Image::filled(Geometry::axis_aligned([3, 4, 5], [1.0; 3], [0.0; 3]).unwrap(), 7_u16);
    let mut bytes = Vec::new();
    encode_nifti(&mut bytes, &image).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("plain.nii");
    std::fs::write(&path, &bytes).unwrap();
    assert!(is_oriented(&path).unwrap());
    bytes[252..256].fill(0);
    std::fs::write(&path, &bytes).unwrap();
    assert!(!is_oriented(&path).unwrap());
}
