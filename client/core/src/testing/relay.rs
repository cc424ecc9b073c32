//! A UDP relay between clients and a server on this machine: delay, loss, a path MTU, reordering.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;
use tokio::sync::mpsc;

/// IPv4 and UDP headers: what a path's MTU counts besides the payload.
const HEADERS: usize = 28;

/// How the relay treats packets, the same in both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Conditions {
    /// One-way delay.
    pub delay: Duration,
    /// Share of packets lost, 0-1.
    pub loss: f64,
    /// Packets that are larger with their headers are dropped; 0 for no limit.
    pub mtu: usize,
    /// Share of packets that are held back 3 ms, so that later ones overtake them.
    pub reorder: f64,
}

impl Conditions {
    /// Whether the relay would change anything.
    pub fn is_clean(&self) -> bool {
        *self == Self::default()
    }
}

/// What passed. Bytes are UDP payload.
#[derive(Debug, Default)]
pub struct RelayCounts {
    /// Packets and bytes towards the server.
    pub up: [AtomicU64; 2],
    /// Packets and bytes towards clients.
    pub down: [AtomicU64; 2],
    /// Packets lost by chance.
    pub lost: AtomicU64,
    /// Packets too large for the path.
    pub too_large: AtomicU64,
}

/// A running relay. It ends with the runtime that it was started on.
pub struct Relay {
    /// Where clients go instead of the server.
    pub address: SocketAddr,
    /// What passed.
    pub counts: Arc<RelayCounts>,
}

type Queue = mpsc::UnboundedSender<(Instant, Vec<u8>)>;

struct Fate {
    conditions: Conditions,
    random: u64,
}

impl Fate {
    fn chance(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) as f64 / (1u64 << 53) as f64
    }

    /// When a packet leaves; none for one that does not.
    fn departure(&mut self, length: usize, counts: &RelayCounts, way: &[AtomicU64; 2]) -> Option<Instant> {
        let c = self.conditions;
        if c.mtu > 0 && length + HEADERS > c.mtu {
            counts.too_large.fetch_add(1, Relaxed);
            return None;
        }
        if self.chance() < c.loss {
            counts.lost.fetch_add(1, Relaxed);
            return None;
        }
        way[0].fetch_add(1, Relaxed);
        way[1].fetch_add(length as u64, Relaxed);
        let late = if self.chance() < c.reorder { Duration::from_millis(3) } else { Duration::ZERO };
        Some(Instant::now() + c.delay + late)
    }
}

impl Relay {
    /// Starts a relay to `server` on any free port of this machine. `seed` decides which packets are lost.
    ///
    /// # Errors
    /// When no socket can be opened.
    pub async fn start(server: SocketAddr, conditions: Conditions, seed: u64) -> std::io::Result<Self> {
        let front = Arc::new(UdpSocket::bind("127.0.0.1:0").await?);
        let address = front.local_addr()?;
        let counts = Arc::new(RelayCounts::default());
        tokio::spawn(forward(front, server, conditions, seed | 1, counts.clone()));
        Ok(Self { address, counts })
    }
}

async fn forward(front: Arc<UdpSocket>, server: SocketAddr, conditions: Conditions, seed: u64, counts: Arc<RelayCounts>) {
    let mut fate = Fate { conditions, random: seed };
    let mut clients: HashMap<SocketAddr, Queue> = HashMap::new();
    let mut buffer = vec![0; 65_536];
    loop {
        let Ok((length, from)) = front.recv_from(&mut buffer).await else { continue };
        if let Entry::Vacant(unknown) = clients.entry(from) {
            let own_seed = seed ^ u64::from(from.port()) << 20;
            let Ok(queue) = open(front.clone(), server, from, conditions, own_seed, counts.clone()).await else { continue };
            unknown.insert(queue);
        }
        if let (Some(queue), Some(at)) = (clients.get(&from), fate.departure(length, &counts, &counts.up)) {
            let _ = queue.send((at, buffer[..length].to_vec()));
        }
    }
}

/// The way of one client: a socket of its own towards the server, and the two pumps.
async fn open(
    front: Arc<UdpSocket>,
    server: SocketAddr,
    client: SocketAddr,
    conditions: Conditions,
    seed: u64,
    counts: Arc<RelayCounts>,
) -> std::io::Result<Queue> {
    let back = Arc::new(UdpSocket::bind("127.0.0.1:0").await?);
    let (up, to_server) = mpsc::unbounded_channel();
    let (down, to_client) = mpsc::unbounded_channel();
    tokio::spawn(pump(to_server, back.clone(), server));
    tokio::spawn(pump(to_client, front, client));
    tokio::spawn(async move {
        let mut fate = Fate { conditions, random: seed | 1 };
        let mut buffer = vec![0; 65_536];
        loop {
            let Ok((length, _)) = back.recv_from(&mut buffer).await else { continue };
            if let Some(at) = fate.departure(length, &counts, &counts.down)
                && down.send((at, buffer[..length].to_vec())).is_err()
            {
                return;
            }
        }
    });
    Ok(up)
}

/// Sends packets when they are due. One that was held back lets later ones pass.
async fn pump(mut queue: mpsc::UnboundedReceiver<(Instant, Vec<u8>)>, socket: Arc<UdpSocket>, to: SocketAddr) {
    let mut waiting: std::collections::BTreeMap<(Instant, u64), Vec<u8>> = Default::default();
    let mut n = 0;
    loop {
        let next = waiting.first_key_value().map(|((at, _), _)| *at);
        let got = match next {
            None => queue.recv().await.map(Some),
            Some(at) => tokio::select! {
                biased;
                packet = queue.recv() => packet.map(Some),
                () = tokio::time::sleep_until(at.into()) => Some(None),
            },
        };
        match got {
            None => return,
            Some(Some((at, bytes))) => {
                waiting.insert((at, n), bytes);
                n += 1;
            }
            Some(None) => {}
        }
        let now = Instant::now() + Duration::from_micros(300);
        while let Some(entry) = waiting.first_entry().filter(|entry| entry.key().0 <= now) {
            let _ = socket.send_to(&entry.remove(), to).await;
        }
    }
}
