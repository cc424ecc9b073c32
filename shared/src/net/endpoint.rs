//! quinn endpoints with the transport settings that both sides use.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::{Endpoint, TransportConfig, VarInt};
use thiserror::Error;

use super::congestion::Congestion;
use super::tls::{CertDigest, Identity, TlsError, client_config};

/// Why no endpoint could be opened.
#[derive(Debug, Error)]
pub enum EndpointError {
    /// TLS could not be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The socket could not be bound.
    #[error("cannot listen on {0}: {1}")]
    Bind(SocketAddr, std::io::Error),
}

/// A connection without a sign of life for so long is dead.
pub const IDLE: Duration = Duration::from_secs(5);

/// Transport settings. Poses go as datagrams, where a stale one is worth nothing, so their buffer is small; the send window is small
/// enough that a lane which falls behind is noticed within a second.
pub fn transport(congestion: Congestion, uni_streams: u32) -> Arc<TransportConfig> {
    let mut config = TransportConfig::default();
    config
        .max_idle_timeout(Some(VarInt::from_u32(IDLE.as_millis() as u32).into()))
        .keep_alive_interval(Some(Duration::from_secs(1)))
        .datagram_send_buffer_size(48 * 1024)
        .datagram_receive_buffer_size(Some(256 * 1024))
        .stream_receive_window(VarInt::from_u32(4 << 20))
        .receive_window(VarInt::from_u32(8 << 20))
        .send_window(2 << 20)
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .max_concurrent_uni_streams(VarInt::from_u32(uni_streams))
        .initial_rtt(Duration::from_millis(100))
        .congestion_controller_factory(congestion.factory());
    Arc::new(config)
}

/// An endpoint that accepts clients. Clients open one stream, the control stream; nothing else.
///
/// # Errors
/// When the address is taken or TLS cannot be set up.
pub fn server_endpoint(listen: SocketAddr, identity: &Identity, congestion: Congestion) -> Result<Endpoint, EndpointError> {
    let mut config = identity.server_config()?;
    config.transport_config(transport(congestion, 0));
    Endpoint::server(config, listen).map_err(|e| EndpointError::Bind(listen, e))
}

/// An endpoint that connects to the server with the certificate of `digest`.
///
/// # Errors
/// When no socket can be bound or TLS cannot be set up.
pub fn client_endpoint(to: SocketAddr, digest: CertDigest, congestion: Congestion) -> Result<Endpoint, EndpointError> {
    let any: SocketAddr = if to.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
    let mut config = client_config(digest)?;
    config.transport_config(transport(congestion, 16));
    let mut endpoint = Endpoint::client(any).map_err(|e| EndpointError::Bind(any, e))?;
    endpoint.set_default_client_config(config);
    Ok(endpoint)
}
