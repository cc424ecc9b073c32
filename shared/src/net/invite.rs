//! Invitations: `spinor://HOST:PORT/ROOM#CREDENTIAL`, where the credential is the base64url of the certificate's digest and a token
//! that the room's owner key signed.
//!
//! Everything after `#` is a secret and is never sent to anybody but the server whose certificate has that digest. A token says who
//! may enter which room, in which role and until when; its first use binds it to a key that the device made.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, Signer, SigningKey, Verifier, VerifyingKey};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::tls::CertDigest;
use crate::codec;
use crate::room::{MAX_NAME, MAX_ROOM, Role, is_name};

/// Signed bytes begin with this, so that a signature of the owner key means an invitation and nothing else.
const DOMAIN: &[u8] = b"spinor invitation 1\0";
/// Longest token, bytes.
pub const MAX_TOKEN: usize = 256;
/// A device that used its invitation in time may come back for so long after the invitation expired, seconds.
pub const RETURN_SECONDS: u64 = 12 * 3600;

/// What an invitation allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The room.
    pub room: String,
    /// The person's number in the room.
    pub user: u32,
    /// The person's name as others see it.
    pub name: String,
    /// What the person may do.
    pub role: Role,
    /// First use until then, seconds since 1970 (UTC).
    pub expires_unix_s: u64,
    /// Makes every invitation another one.
    pub nonce: [u8; 16],
}

/// Why an invitation is none.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InviteError {
    /// The link has another form.
    #[error("this is no invitation ({0}): it looks like spinor://HOST:PORT/ROOM#...")]
    Link(&'static str),
    /// The signature is wrong: altered, or of another room's owner.
    #[error("the invitation was altered or belongs to another room's owner")]
    Signature,
    /// The claims cannot be read.
    #[error("the invitation cannot be read")]
    Claims,
    /// No randomness or no encoding.
    #[error("cannot make an invitation: {0}")]
    Make(String),
}

/// 32 or fewer random bytes of the operating system.
///
/// # Errors
/// When the system has none.
pub fn random<const N: usize>() -> Result<[u8; N], InviteError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| InviteError::Make(e.to_string()))?;
    Ok(bytes)
}

/// A new ed25519 key.
///
/// # Errors
/// When the system has no randomness.
pub fn new_key() -> Result<SigningKey, InviteError> {
    Ok(SigningKey::from_bytes(&random::<32>()?))
}

impl Claims {
    /// Claims for a new person. The number is random: invitations are made without asking the server, and two people of one room
    /// collide once in four thousand million (the server refuses the second).
    ///
    /// # Errors
    /// When room or name cannot be shown, or the system has no randomness.
    pub fn new(room: &str, name: &str, role: Role, expires_unix_s: u64) -> Result<Self, InviteError> {
        if !is_name(room, MAX_ROOM) || room.contains(['/', '#']) {
            return Err(InviteError::Make(format!("{room:?} cannot name a room")));
        }
        if !is_name(name, MAX_NAME) {
            return Err(InviteError::Make(format!(
                "{name:?} cannot be shown as a name (1-{MAX_NAME} bytes, no control characters, none that are unseen or turn the text)"
            )));
        }
        let user = u32::from_le_bytes(random()?).max(1);
        Ok(Self { room: room.to_owned(), user, name: name.to_owned(), role, expires_unix_s, nonce: random()? })
    }

    /// The signed token: claims, then the signature.
    ///
    /// # Errors
    /// When the claims have no encoding.
    pub fn sign(&self, owner: &SigningKey) -> Result<Vec<u8>, InviteError> {
        let mut token = codec::encode(self).map_err(|e| InviteError::Make(e.to_string()))?;
        let signature = owner.sign(&signed_part(&token));
        token.extend_from_slice(&signature.to_bytes());
        Ok(token)
    }

    /// The claims of a token that `owner` signed.
    ///
    /// # Errors
    /// When it is altered, signed by somebody else, or unreadable.
    pub fn verify(token: &[u8], owner: &VerifyingKey) -> Result<Self, InviteError> {
        if token.len() > MAX_TOKEN {
            return Err(InviteError::Claims);
        }
        let (claims, signature) = token.split_last_chunk::<64>().ok_or(InviteError::Claims)?;
        owner.verify(&signed_part(claims), &Signature::from_bytes(signature)).map_err(|_| InviteError::Signature)?;
        let claims: Self = codec::decode(claims).map_err(|_| InviteError::Claims)?;
        let fine = is_name(&claims.room, MAX_ROOM) && is_name(&claims.name, MAX_NAME) && claims.user != 0;
        if fine { Ok(claims) } else { Err(InviteError::Claims) }
    }
}

fn signed_part(claims: &[u8]) -> Vec<u8> {
    [DOMAIN, claims].concat()
}

/// An invitation: where to go and what to show there.
#[derive(Clone, PartialEq, Eq)]
pub struct Invite {
    /// Host and port.
    pub address: String,
    /// The room, for people to read; the token is what counts.
    pub room: String,
    /// Digest of the server's certificate.
    pub digest: CertDigest,
    /// Signed claims.
    pub token: Vec<u8>,
}

impl fmt::Display for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = [self.digest.as_slice(), &self.token].concat();
        write!(f, "spinor://{}/{}#{}", self.address, self.room, URL_SAFE_NO_PAD.encode(secret))
    }
}

/// Without the secret part, so that links do not end up in logs.
impl fmt::Debug for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spinor://{}/{}#...", self.address, self.room)
    }
}

impl FromStr for Invite {
    type Err = InviteError;

    fn from_str(link: &str) -> Result<Self, InviteError> {
        if link.len() > 1024 {
            return Err(InviteError::Link("it is too long"));
        }
        let rest = link.trim().strip_prefix("spinor://").ok_or(InviteError::Link("it does not start with spinor://"))?;
        let (place, secret) = rest.split_once('#').ok_or(InviteError::Link("the part after # is missing"))?;
        let (address, room) = place.split_once('/').ok_or(InviteError::Link("the room is missing"))?;
        if address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok()).is_none() {
            return Err(InviteError::Link("the port is missing"));
        }
        let bytes = URL_SAFE_NO_PAD.decode(secret).map_err(|_| InviteError::Link("the part after # is damaged"))?;
        let (digest, token) = bytes.split_first_chunk::<32>().ok_or(InviteError::Link("the part after # is cut off"))?;
        if token.len() <= 64 || token.len() > MAX_TOKEN {
            return Err(InviteError::Link("the part after # is cut off"));
        }
        Ok(Self { address: address.to_owned(), room: room.to_owned(), digest: *digest, token: token.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(n: u8) -> SigningKey {
        SigningKey::from_bytes(&[n; 32])
    }

    /// A link comes back as it was made, and its claims verify against the owner's key only.
    #[test]
    fn links_come_back() {
        let claims = Claims::new("theatre", "Dr. Ölander", Role::Resident, 99).unwrap();
        let invite = Invite {
            address: "[::1]:4000".to_owned(),
            room: "theatre".to_owned(),
            digest: [7; 32],
            token: claims.sign(&key(1)).unwrap(),
        };
        let back: Invite = invite.to_string().parse().unwrap();
        assert_eq!(back, invite);
        assert_eq!(Claims::verify(&back.token, &key(1).verifying_key()).unwrap(), claims);
        assert_eq!(Claims::verify(&back.token, &key(2).verifying_key()), Err(InviteError::Signature));
        assert!(!format!("{invite:?}").contains(&invite.to_string()));
    }

    #[test]
    fn broken_links_say_what_is_missing() {
        assert!(matches!("http://a/b#c".parse::<Invite>(), Err(InviteError::Link(_))));
        assert!(matches!("spinor://a/b#AAAA".parse::<Invite>(), Err(InviteError::Link("the port is missing"))));
        assert!(matches!("spinor://a:1/b#AAAA".parse::<Invite>(), Err(InviteError::Link("the part after # is cut off"))));
    }

    proptest! {
        /// Flipping any bit of a token makes it invalid, and no bytes make the parser panic.
        #[test]
        fn altered_tokens_are_refused(at in 0usize..200, bit in 0u8..8, noise in proptest::collection::vec(any::<u8>(), 0..300)) {
            let token = Claims::new("r", "n", Role::Mentor, 5).unwrap().sign(&key(3)).unwrap();
            let mut altered = token.clone();
            let at = at % altered.len();
            altered[at] ^= 1 << bit;
            prop_assert!(Claims::verify(&altered, &key(3).verifying_key()).is_err());
            prop_assert!(Claims::verify(&noise, &key(3).verifying_key()).is_err());
        }
    }
}
