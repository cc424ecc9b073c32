//! What `spinor assess` writes, without the engine's crates: for looking at a report while working on it.
//!
//! `cargo run -p spinor-assess --example assess -- session.spinrec DIR [AGAINST.spinrec]... [--osats FILE.json]`

use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;

use spinor_assess::{Metrics, Session, csv, gather, html, measure, osats, xapi};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let form = args.iter().position(|a| a == "--osats").map(|k| args.split_off(k));
    let [file, out, against @ ..] = args.as_slice() else { return Err("usage: assess F.spinrec DIR [AGAINST]...".into()) };
    let (session, mut metrics) = read(file)?;
    if let Some(path) = form.as_ref().and_then(|f| f.get(1)) {
        metrics.rate(osats::parse(&fs::read(path)?)?);
    }
    let against =
        against.iter().map(|path| Ok((path.clone(), read(path)?.1))).collect::<Result<Vec<_>, Box<dyn std::error::Error>>>()?;
    fs::create_dir_all(out)?;
    let write = |name: &str, text: String| fs::write(Path::new(out).join(name), text);
    write("report.html", html(&session, &metrics, &against))?;
    write("metrics.json", format!("{:#}\n", serde_json::to_value(&metrics)?))?;
    write("events.csv", csv::events(&session))?;
    write("statements.json", format!("{:#}\n", xapi::statements(&session, &metrics)))?;
    write("osats-template.json", osats::template())?;
    Ok(())
}

fn read(path: &str) -> Result<(Session, Metrics), Box<dyn std::error::Error>> {
    let session = gather(BufReader::new(File::open(path)?))?;
    let metrics = measure(&session);
    Ok((session, metrics))
}
