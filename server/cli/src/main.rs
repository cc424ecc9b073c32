//! The binary `spinor`: preparation, server, load runs, replay and assessment.
//!
//! Every command lives in a file of its own under `commands/`; this one only picks among them.

#[macro_use]
mod output;

mod commands;
mod input;
mod log;
mod physics;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use commands::{
    assess, bots, branch, evaluate, export, info, ingest, invite, models, phantom, prepare, rehearse, replay, segment, serve,
};

/// Spinor: a shared virtual operating room for spine surgery on a patient's own anatomy.
/// For education and rehearsal; not a medical device.
#[derive(Parser)]
#[command(name = "spinor", version, propagate_version = true)]
#[command(after_help = "Example: spinor prepare --ct ct.nii.gz --labels labels.nii.gz --scheme verse --out patient.spinor\n\n\
    SPINOR_LOG chooses what is logged on stderr, as in SPINOR_LOG=debug.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a phantom patient: CT, MR, labels and landmarks.
    Phantom(phantom::Args),
    /// Make a case from CT, MR and labels.
    Prepare(prepare::Args),
    /// Compare a case with reference labels.
    Evaluate(evaluate::Args),
    /// Run an nnU-Net export on images.
    Segment(segment::Args),
    /// List or add segmentation models.
    Models(models::Args),
    /// Say what is in a DICOM folder or NIfTI file, and read one series.
    Ingest(ingest::Args),
    /// Serve a room around a case.
    Serve(serve::Args),
    /// Print an invitation to a room.
    Invite(invite::Args),
    /// Measure a room with headless clients.
    Bots(bots::Args),
    /// Let a scripted surgeon perform a procedure, into a recording.
    Rehearse(rehearse::Args),
    /// Replay a recording and check its digests.
    Replay(replay::Args),
    /// Start a new recording from a moment of another.
    Branch(branch::Args),
    /// Measure a recording and write a report.
    Assess(assess::Args),
    /// Write surfaces or labels of a case or recording.
    Export(export::Args),
    /// Say what is in a case or recording.
    Info(info::Args),
}

/// A file that may grow no further is an error to whoever writes it, as on a full disk, and not the end of the process.
#[cfg(unix)]
fn outgrow_no_limit() {
    let unused = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    if let Err(error) = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, unused) {
        eprintln!("warning: a limit on the size of files would end this process: {error}");
    }
}

fn main() -> ExitCode {
    log::start();
    #[cfg(unix)]
    outgrow_no_limit();
    let done = match Cli::parse().command {
        Command::Phantom(args) => phantom::run(args),
        Command::Prepare(args) => prepare::run(args),
        Command::Evaluate(args) => evaluate::run(args),
        Command::Segment(args) => segment::run(args),
        Command::Models(args) => models::run(args),
        Command::Ingest(args) => ingest::run(args),
        Command::Serve(args) => serve::run(args),
        Command::Invite(args) => invite::run(args),
        Command::Bots(args) => bots::run(args),
        Command::Rehearse(args) => rehearse::run(args),
        Command::Replay(args) => replay::run(args),
        Command::Branch(args) => branch::run(args),
        Command::Assess(args) => assess::run(args),
        Command::Export(args) => export::run(args),
        Command::Info(args) => info::run(args),
    };
    match done {
        Ok(()) if output::is_lost() => ExitCode::FAILURE,
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("spinor: {}", output::plain(&output::causes(&error)));
            ExitCode::FAILURE
        }
    }
}
