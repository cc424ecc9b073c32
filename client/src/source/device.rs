//! The key of this device for an invitation: the same one whenever the same link is used, so that a reconnect is let in.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use spinor_client_core::{Invite, JoinOptions};

/// Options to join with the device key of an invitation, made and kept on first use.
///
/// # Errors
/// When the state directory cannot be written, or a kept key is damaged.
pub(crate) fn options(invite: Invite) -> Result<JoinOptions> {
    options_in(&state_directory()?, invite)
}

fn options_in(directory: &Path, invite: Invite) -> Result<JoinOptions> {
    let path = directory.join(format!("{}.key", &blake3::hash(&invite.token).to_hex()[..32]));
    let mut options = JoinOptions::new_device(invite)?;
    match std::fs::read(&path) {
        Ok(bytes) => {
            let Ok(secret) = <[u8; 32]>::try_from(bytes.as_slice()) else {
                bail!("{} is damaged: remove it and ask for a new invitation", path.display());
            };
            options.device = ed25519_dalek::SigningKey::from_bytes(&secret);
        }
        Err(wrong) if wrong.kind() == std::io::ErrorKind::NotFound => {
            create_private(directory, &path, options.device.as_bytes())
                .with_context(|| format!("cannot keep this device's key in {}", path.display()))?;
        }
        Err(wrong) => return Err(wrong).with_context(|| format!("cannot read {}", path.display())),
    }
    Ok(options)
}

/// Where this user's keys live.
fn state_directory() -> Result<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let base = variable("XDG_STATE_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".local/state")))
        .or_else(|| variable("LOCALAPPDATA"))
        .context("neither XDG_STATE_HOME nor HOME is set: there is nowhere to keep this device's key")?;
    Ok(base.join("spinor/devices"))
}

/// Writes a new file that only its owner can read.
fn create_private(directory: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    std::fs::create_dir_all(directory)?;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
