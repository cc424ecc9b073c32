//! `spinor invite`: an invitation to a room.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use serde_json::json;
use spinor_server::room_file::RoomFile;
use spinor_shared::room::Role;

use crate::output;

/// Print an invitation: a link for one person on one device.
#[derive(clap::Args)]
#[command(after_help = "Example: spinor invite --room theatre.json --role resident --name \"Ann Lee\" --expires 2h\n\
    The link is a secret. Its first use binds it to the device; it cannot be used on another one.")]
pub(crate) struct Args {
    /// The room file that `spinor serve` wrote.
    #[arg(long, value_name = "FILE")]
    room: PathBuf,
    /// attending (directs and operates), resident (operates), mentor (watches, points, talks) or observer (watches).
    #[arg(long)]
    role: Role,
    /// The person's name as others see it.
    #[arg(long)]
    name: String,
    /// Time within which the link has to be used first: 45s, 30m, 2h, 7d.
    #[arg(long, default_value = "2h", value_parser = seconds)]
    expires: u64,
    /// The N-th room of the server instead of the first.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    number: u16,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let file = RoomFile::read(&args.room)?;
    if let Some(rooms) = file.rooms.filter(|rooms| u32::from(args.number) > *rooms) {
        bail!("--number {}: the server has {rooms} room(s) at most (spinor serve --rooms)", args.number);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock stands before 1970")?.as_secs();
    let room = numbered(&file.room, usize::from(args.number));
    let expires_unix_s = now.saturating_add(args.expires);
    let invite = file.invite(&room, &args.name, args.role, expires_unix_s)?;
    if args.json {
        output::json(&json!({
            "link": invite.to_string(), "room": room, "role": args.role.word(), "name": args.name,
            "expires_unix_s": expires_unix_s,
        }));
    } else {
        println!("{invite}");
    }
    Ok(())
}

/// Name of a server's N-th room.
pub(crate) fn numbered(room: &str, number: usize) -> String {
    if number < 2 { room.to_owned() } else { format!("{room}.{number}") }
}

fn seconds(text: &str) -> Result<u64, String> {
    let wrong = || format!("'{text}' is no duration: write 45s, 30m, 2h or 7d");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let factor = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    if number == 0 {
        return Err("nobody could use it in no time at all: write 45s, 30m, 2h or 7d".to_owned());
    }
    number.checked_mul(factor).filter(|s| *s <= 366 * 86_400).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        assert_eq!(seconds("2h"), Ok(7_200));
        for wrong in ["", "0s", "h", "2", "-1h", "2w", "99999999999d", "1é"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
