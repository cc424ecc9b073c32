//! Writing to the application's memory, as OpenXR's calls hand it over.

use std::ffi::c_char;

use openxr_sys as xr;
use xr::Result as R;

/// Copies a string into a fixed field, cut to fit, ended by a zero.
pub(crate) fn text(field: &mut [c_char], string: &str) {
    let Some((last, head)) = field.split_last_mut() else { return };
    *last = 0;
    for (to, byte) in head.iter_mut().zip(string.bytes().chain([0])) {
        *to = byte as c_char;
    }
}

/// OpenXR's two calls for an array: first its length, then its items.
///
/// # Safety
/// `count` is valid for writing, and `items` for `capacity` items unless `capacity` is 0.
pub(crate) unsafe fn array<T>(
    length: usize,
    capacity: u32,
    count: *mut u32,
    items: *mut T,
    mut fill: impl FnMut(usize, &mut T),
) -> R {
    // SAFETY: the caller vouches for both pointers.
    unsafe {
        *count = length as u32;
        if capacity == 0 {
            return R::SUCCESS;
        }
        if (capacity as usize) < length {
            return R::ERROR_SIZE_INSUFFICIENT;
        }
        for k in 0..length {
            fill(k, &mut *items.add(k));
        }
    }
    R::SUCCESS
}

/// OpenXR's two calls for a string with its closing zero.
///
/// # Safety
/// As [`array`].
pub(crate) unsafe fn string(string: &str, capacity: u32, count: *mut u32, buffer: *mut c_char) -> R {
    let bytes: Vec<u8> = string.bytes().chain([0]).collect();
    // SAFETY: the caller vouches for both pointers.
    unsafe { array(bytes.len(), capacity, count, buffer, |k, to| *to = bytes[k] as c_char) }
}

/// Calls `found` with every structure in an output chain that has type `ty`.
///
/// # Safety
/// `next` is null or a chain of valid structures; `T` is the structure that `ty` names.
pub(crate) unsafe fn in_chain<T>(next: *mut std::ffi::c_void, ty: xr::StructureType, mut found: impl FnMut(&mut T)) {
    let mut next = next.cast::<xr::BaseOutStructure>();
    while !next.is_null() {
        // SAFETY: the caller vouches for the chain and for the type.
        unsafe {
            if (*next).ty == ty {
                found(&mut *next.cast::<T>());
            }
            next = (*next).next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_buffer_is_refused_and_a_long_string_cut() {
        let (mut count, mut buffer) = (0, [0 as c_char; 4]);
        // SAFETY: both point to live local variables of the stated size.
        unsafe {
            assert_eq!(string("abcd", 0, &mut count, buffer.as_mut_ptr()), R::SUCCESS);
            assert_eq!(count, 5);
            assert_eq!(string("abcd", 4, &mut count, buffer.as_mut_ptr()), R::ERROR_SIZE_INSUFFICIENT);
            assert_eq!(string("abc", 4, &mut count, buffer.as_mut_ptr()), R::SUCCESS);
        }
        assert_eq!(buffer[2], b'c' as c_char);
        text(&mut buffer, "longer than four");
        assert_eq!(buffer[3], 0);
    }
}
