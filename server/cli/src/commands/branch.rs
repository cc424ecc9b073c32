//! `spinor branch`: a new recording that starts as another one went up to a moment.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::PathBuf;

use anyhow::{Context, bail};
use spinor_shared::session::{Record, SessionReader, SessionWriter, Tail};

use crate::{input, output};

/// Start a new recording from a moment of another; `spinor serve --resume` continues it.
#[derive(clap::Args)]
#[command(after_help = "Example: spinor branch session.spinrec --at 00:04:12 --out what-if.spinrec")]
pub(crate) struct Args {
    /// The recording to branch from. It is not changed.
    file: PathBuf,
    /// The moment to take over at, HH:MM:SS.
    #[arg(long, value_name = "HH:MM:SS")]
    at: String,
    /// The new recording, which must not exist yet.
    #[arg(long)]
    out: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let file = input::recording(&args.file)?;
    let name = || args.file.display().to_string();
    let mut source = SessionReader::open(file).with_context(name)?;
    let Some(Record::Head(head)) = source.next_record().with_context(name)? else {
        bail!("{} lacks its head: it was cut off while it was being created", args.file.display());
    };
    let hz = head.tick_hz.max(1);
    let at = (output::seconds(&args.at)? * f64::from(hz)) as u32;
    let file = output::new_recording(&args.out)?;
    let copied = copy(&mut source, &Record::Head(head), at, &args.at, file);
    if copied.is_err() {
        // What the attempt left would stand in the way of the next one.
        let _ = std::fs::remove_file(&args.out);
    }
    let Copied { records, last, epoch, longer, torn } = copied.with_context(name)?;
    if !longer {
        let _ = std::fs::remove_file(&args.out);
        let end = output::moment(f64::from(last) / f64::from(hz));
        let how = if torn { "is torn after" } else { "ends at" };
        bail!("{} {how} {end}, before {}: there is nothing to branch from", args.file.display(), args.at);
    }
    if args.json {
        output::json(&serde_json::json!({ "records": records, "tick": last, "epoch": epoch }));
    } else {
        println!("{} holds {records} records; the last before {} is of tick {last}", args.out.display(), args.at);
    }
    Ok(())
}

/// What a new recording got of the old one.
struct Copied {
    records: u64,
    last: u32,
    /// The epoch that begins where the old recording was left.
    epoch: u32,
    /// Whether the old recording goes on.
    longer: bool,
    /// Whether its end was reached, and is a torn record.
    torn: bool,
}

/// Copies a recording up to and with tick `at` (`moment` in words) into `file`, and opens a new epoch there.
fn copy(source: &mut SessionReader<impl Read>, head: &Record, at: u32, moment: &str, file: File) -> anyhow::Result<Copied> {
    let mut out = SessionWriter::create(BufWriter::new(file))?;
    out.append(head)?;
    let (mut last, mut records, mut epoch) = (None, 0_u64, 0);
    let (mut longer, mut has_case) = (false, false);
    while let Some(record) = source.next_record()? {
        has_case |= matches!(record, Record::Case(_));
        let Some(tick) = record.tick() else {
            out.append(&record)?;
            continue;
        };
        if tick > at {
            longer = true;
            break;
        }
        if matches!(record, Record::Closed { .. }) {
            continue;
        }
        if let Record::Epoch { epoch: number, .. } = record {
            epoch = number;
        }
        out.append(&record)?;
        (last, records) = (Some(tick), records + 1);
    }
    let torn = matches!(source.tail(), Tail::Torn { .. });
    let Some(last) = last else {
        if !has_case {
            bail!("it was cut off while its case was being written: nothing of a session is in it");
        }
        if torn {
            bail!("it was cut off before the first tick of its session: there is nothing to branch from");
        }
        bail!("nothing was recorded up to {moment}: branch at a later moment");
    };
    let epoch = epoch.checked_add(1).context("the recording counts so many epochs that none can follow")?;
    let reason = format!("branched at {moment}");
    out.append(&Record::Epoch { tick: last, epoch, from_tick: last, reason })?;
    let writer = out.into_inner();
    let file = writer.into_inner().map_err(|e| e.into_error()).context("cannot write the new recording")?;
    (&file).flush().and_then(|()| file.sync_all()).context("cannot write the new recording")?;
    Ok(Copied { records, last, epoch, longer, torn })
}
