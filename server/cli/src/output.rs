//! What several commands print: times of a recording, hashes, JSON.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, bail};

/// Something that was printed is lost, and not because nobody wanted it.
static LOST: AtomicBool = AtomicBool::new(false);

/// As `std::print!`, by [`crate::output::print`]: for every command.
macro_rules! print {
    ($($words:tt)*) => { crate::output::print(format_args!($($words)*), false) };
}

/// As `std::println!`, by [`crate::output::print`]: for every command.
macro_rules! println {
    () => { crate::output::print(format_args!(""), true) };
    ($($words:tt)*) => { crate::output::print(format_args!($($words)*), true) };
}

/// Prints, and the end of a line where one is wanted. A reader that has enough (`| head`) ends the printing and not the command, whose exit status
/// still says what came of it; words that are lost otherwise make it fail.
pub(crate) fn print(words: std::fmt::Arguments<'_>, is_line: bool) {
    let lost = write(&mut std::io::stdout().lock(), words, is_line);
    if lost && !LOST.swap(true, Ordering::Relaxed) {
        eprintln!("spinor: cannot write to the standard output");
    }
}

/// Whether words that somebody wanted were lost.
fn write(out: &mut impl Write, words: std::fmt::Arguments<'_>, is_line: bool) -> bool {
    let end: &[u8] = if is_line { b"\n" } else { b"" };
    let written =
        out.write_all(plain(&words.to_string()).as_bytes()).and_then(|()| out.write_all(end)).and_then(|()| out.flush());
    written.is_err_and(|error| error.kind() != ErrorKind::BrokenPipe)
}

/// A text without control characters but ends of lines and tabs, as JSON writes them: what a file holds does not steer a terminal.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && !matches!(c, '\n' | '\t') {
            plain.push_str(&format!("\\u{:04x}", c as u32));
        } else {
            plain.push(c);
        }
    }
    plain
}

/// Whether something that was printed is lost.
pub(crate) fn is_lost() -> bool {
    LOST.load(Ordering::Relaxed)
}

/// An error and its causes in one line. A cause that the words before it hold already is not said again.
pub(crate) fn causes(error: &anyhow::Error) -> String {
    let mut words = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if words.is_empty() {
            words = cause;
        } else if !words.contains(cause.as_str()) {
            words.push_str(": ");
            words.push_str(&cause);
        }
    }
    words
}

/// Says on stderr that a recording ends in a torn record.
pub(crate) fn tell_torn(path: &Path) {
    eprintln!("note: {} ends in a torn record: its writer was killed; nothing before is missing", path.display());
}

/// A new file for a recording.
pub(crate) fn new_recording(path: &Path) -> anyhow::Result<File> {
    let made = OpenOptions::new().write(true).create_new(true).open(path);
    made.with_context(|| format!("cannot make {} (an existing recording is never overwritten)", path.display()))
}

/// Seconds of a moment written `HH:MM:SS`, `MM:SS` or `SS`, each with an optional fraction of a second. Minutes and seconds after a colon are
/// below 60.
pub(crate) fn seconds(moment: &str) -> anyhow::Result<f64> {
    let parts: Vec<&str> = moment.split(':').collect();
    if parts.is_empty() || parts.len() > 3 {
        bail!("'{moment}' is no moment: write HH:MM:SS");
    }
    let mut total = 0.0;
    for (k, part) in parts.iter().enumerate() {
        let last = k + 1 == parts.len();
        let value: f64 = part
            .parse()
            .ok()
            .filter(|_| part.starts_with(|c: char| c.is_ascii_digit()))
            .filter(|v: &f64| *v >= 0.0 && v.is_finite() && (last || v.fract() == 0.0) && (k == 0 || *v < 60.0))
            .with_context(|| format!("'{moment}' is no moment: write HH:MM:SS, as 00:04:12"))?;
        total = total * 60.0 + value;
    }
    Ok(total)
}

/// A moment as `HH:MM:SS`.
pub(crate) fn moment(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    format!("{:02}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60)
}

/// Prints one JSON object and nothing else.
pub(crate) fn json(value: &serde_json::Value) {
    println!("{value:#}");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A writer that always fails in one way.
    struct Failing(ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// A reader that closed its pipe is no failure and no panic; a full disk is one.
    #[test]
    fn a_closed_pipe_is_no_failure() {
        let mut out = Vec::new();
        assert!(!write(&mut out, format_args!("a {}", 1), true) && !write(&mut out, format_args!("b"), false));
        assert_eq!(out, b"a 1\nb");
        assert!(!write(&mut Failing(ErrorKind::BrokenPipe), format_args!("a"), true));
        assert!(write(&mut Failing(ErrorKind::StorageFull), format_args!("a"), true));
    }

    /// An earlier recording is never overwritten.
    #[test]
    fn an_existing_recording_stays() {
        let path = std::env::temp_dir().join(format!("spinor-recording-{}", std::process::id()));
        new_recording(&path).unwrap().write_all(b"an hour of work").unwrap();
        assert!(new_recording(&path).unwrap_err().to_string().contains("never overwritten"));
        assert_eq!(std::fs::read(&path).unwrap(), b"an hour of work");
        std::fs::remove_file(&path).unwrap();
    }

    /// A cause that its error quotes is said once, and one that it does not quote is said.
    #[test]
    fn causes_are_said_once() {
        #[derive(Debug)]
        struct Quoting(std::io::Error);
        impl std::fmt::Display for Quoting {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "the file is torn: {}", self.0)
            }
        }
        impl std::error::Error for Quoting {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                Some(&self.0)
            }
        }
        let torn = || Quoting(std::io::Error::other("no space"));
        assert_eq!(causes(&anyhow::Error::new(torn())), "the file is torn: no space");
        assert_eq!(
            causes(&anyhow::Error::new(torn()).context("cannot write a.nii")),
            "cannot write a.nii: the file is torn: no space"
        );
        assert_eq!(causes(&anyhow::Error::new(torn().0).context("cannot write a.nii")), "cannot write a.nii: no space");
    }

    #[test]
    fn moments_come_back_and_nonsense_is_refused() {
        assert_eq!(seconds("01:04:12").unwrap(), 3852.0);
        assert_eq!(seconds("4:12.5").unwrap(), 252.5);
        assert_eq!(moment(3852.9), "01:04:12");
        for wrong in ["", "1:2:3:4", "-1", "a", "1.5:00", "inf", "00:99:00", "00:00:60"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
