//! What is logged on stderr.

use std::io::IsTerminal;

use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// What is logged unless `SPINOR_LOG` says otherwise.
const USUAL: &str = "warn,spinor_server=info,lightyear_transport=off";

/// Starts logging.
pub(crate) fn start() {
    let chosen = EnvFilter::try_from_env("SPINOR_LOG").unwrap_or_else(|_| EnvFilter::new(USUAL));
    let words = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false).with_ansi(is_coloured());
    tracing_subscriber::registry().with(words).with(chosen).with(filter_fn(|about| may_speak(about.target()))).init();
}

/// Whether a library may log at all, whatever was chosen. The DICOM libraries quote headers, in which a patient's name may stand wherever
/// somebody wrote it; what is wrong with a file is said by preparation, without its words.
fn may_speak(target: &str) -> bool {
    !target.starts_with("dicom")
}

/// Whether stderr takes colours: a terminal does, unless <https://no-color.org> was asked for.
fn is_coloured() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All DICOM crates are silent, by whichever module they speak; ours and the others are not.
    #[test]
    fn libraries_that_quote_headers_are_silent() {
        for target in ["dicom_parser::stateful::decode", "dicom_object", "dicom_pixeldata::transcode"] {
            assert!(!may_speak(target), "{target}");
        }
        assert!(may_speak("spinor_server::hall") && may_speak("quinn"));
    }
}
