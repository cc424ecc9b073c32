//! Reading whole files of a bounded length.

use std::io::{Error, ErrorKind, Read};

/// Largest case file that is read.
pub const MAX_CASE_BYTES: u64 = 4 << 30;

/// All that `input` holds, at most `most` bytes; `length` is what it is said to hold, 0 where nobody knows. Memory is taken for that
/// and grows with what is there, so that a pipe without end is refused as well.
///
/// # Errors
/// When it cannot be read, or is longer ([`ErrorKind::FileTooLarge`]).
pub fn read_bounded(input: impl Read, length: u64, most: u64) -> std::io::Result<Vec<u8>> {
    let too_large =
        |length| Error::new(ErrorKind::FileTooLarge, format!("{length} bytes or more, where at most {most} are read"));
    if length > most {
        return Err(too_large(length));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    input.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most { Err(too_large(bytes.len() as u64)) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file is read up to its bound and refused beyond, also one that lies about its length or has no end.
    #[test]
    fn longer_files_are_refused() {
        let file = [7; 100];
        assert_eq!(read_bounded(&file[..], 100, 100).unwrap(), file);
        let kind = |length, most| read_bounded(&file[..], length, most).unwrap_err().kind();
        assert_eq!([kind(100, 99), kind(0, 99), kind(u64::MAX, 100)], [ErrorKind::FileTooLarge; 3]);
        assert_eq!(read_bounded(std::io::repeat(0), 0, 1 << 16).unwrap_err().kind(), ErrorKind::FileTooLarge);
    }
}
