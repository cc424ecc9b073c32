//! How long a film takes to go to a place: `cargo run --release -p spinor-client-core --example seek -- F.spinrec [PLACES]`.
//!
//! Goes to places all over the recording in an order that jumps back and forth, and prints the median, the 95th percentile and the
//! longest time in milliseconds, for the state (cuts, tools, people) without the picture.

use std::path::PathBuf;
use std::time::Instant;

use spinor_client_core::Film;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = PathBuf::from(arguments.next().ok_or("usage: seek F.spinrec [PLACES]")?);
    let places: u64 = arguments.next().map_or(Ok(40), |n| n.parse())?;
    let began = Instant::now();
    let mut film = Film::open(&path)?;
    let opened = began.elapsed();
    let end = u64::from(film.end().max(1));
    let mut took: Vec<f64> = Vec::new();
    for n in 1..=places {
        // A multiplicative step visits the whole recording evenly, half of the time backwards.
        let tick = ((n * 2_654_435_761 % (1 << 32)) * end) >> 32;
        let began = Instant::now();
        film.go_to(tick as u32)?;
        took.push(began.elapsed().as_secs_f64() * 1e3);
    }
    took.sort_by(f64::total_cmp);
    let at = |share: f64| took.get(((took.len() as f64 - 1.0) * share) as usize).copied().unwrap_or(f64::NAN);
    println!(
        "{} ticks, opened in {:.0} ms, {places} places: p50 {:.1} ms, p95 {:.1} ms, max {:.1} ms",
        end,
        opened.as_secs_f64() * 1e3,
        at(0.5),
        at(0.95),
        at(1.0)
    );
    Ok(())
}
