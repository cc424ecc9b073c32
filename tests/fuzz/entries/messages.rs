//! Any bytes as a control message, a hello, an answer, an invitation's token or link. Needs the network's types.

use spinor_shared::codec;
use spinor_shared::net::control::{Notice, Request};
use spinor_shared::net::handshake::{Answer, Hello};
use spinor_shared::net::invite::{Claims, Invite, new_key};

/// Reads `bytes` as each message.
pub(crate) fn run(bytes: &[u8]) {
    if let Ok(request) = codec::decode::<Request>(bytes) {
        if let Request::Say(mark) = &request {
            assert!(!mark.is_fine() || mark.size() <= 8 + 12 * 256);
        }
        let again = codec::encode(&request).expect("what was decoded is encoded");
        assert_eq!(codec::decode::<Request>(&again).expect("what was encoded is decoded"), request);
    }
    let _ = (codec::decode::<Notice>(bytes), codec::decode::<Answer>(bytes), codec::decode::<Hello>(bytes));
    let _ = codec::decode::<Claims>(bytes);
    if let Ok(owner) = new_key() {
        assert!(Claims::verify(bytes, &owner.verifying_key()).is_err());
    }
    if let Ok(link) = std::str::from_utf8(bytes)
        && let Ok(invite) = link.parse::<Invite>()
    {
        assert_eq!(invite.to_string().parse::<Invite>(), Ok(invite));
    }
}
