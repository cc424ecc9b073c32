//! `spinor models`: what preparation can segment with.

use std::path::PathBuf;

use serde_json::json;
use spinor_prepare::models::{self, serves};
use spinor_prepare::segment::{BUILT_IN, BUILT_IN_MR, Modality, ModelFolder, built_in};

use crate::output;

/// List the segmentation models that preparation can use, or add one.
#[derive(clap::Args)]
#[command(
    after_help = "Example: spinor models add nnUNet_results/Dataset292_x/nnUNetTrainer__nnUNetPlans__3d_fullres --name vertebrae"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Show every model, and what it can be used for.
    #[command(after_help = "Example: spinor models list --json")]
    List {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Add an exported model, or convert a trained nnU-Net once (needs Python with torch and nnunetv2). Add only what you trust.
    #[command(
        after_help = "Example: spinor models add nnUNet_results/Dataset292_x/nnUNetTrainer__nnUNetPlans__3d_fullres --name vertebrae"
    )]
    Add {
        /// Folder with plans.json, dataset.json and model.onnx, or with fold_*/checkpoint_final.pth.
        #[arg(value_name = "NNUNET_RESULTS_DIR")]
        source: PathBuf,
        /// Name of the model; otherwise the dataset's.
        #[arg(long)]
        name: Option<String>,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let registry = models::registry()?;
    match args.what {
        What::Add { source, name, json } => {
            let folder = models::add(&registry, &source, name.as_deref())?;
            let name = folder.path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            if json {
                output::json(&json!({"added": name, "model": describe(&folder)}));
            } else {
                println!("{name}: {}", line(&folder));
            }
        }
        What::List { json } => {
            let entries = models::list(&registry)?;
            let own = [(BUILT_IN, built_in(Modality::Ct)?), (BUILT_IN_MR, built_in(Modality::Mr)?)];
            if json {
                let models: serde_json::Map<String, serde_json::Value> = entries
                    .iter()
                    .map(|entry| match &entry.folder {
                        Ok(folder) => (entry.name.clone(), describe(folder)),
                        Err(error) => (entry.name.clone(), json!({"error": error.to_string()})),
                    })
                    .collect();
                let built_in: serde_json::Map<String, serde_json::Value> =
                    own.iter().map(|(name, folder)| ((*name).to_owned(), describe(folder))).collect();
                output::json(&json!({"registry": registry, "models": models, "built_in": built_in}));
                return Ok(());
            }
            for (name, folder) in &own {
                println!("{name}: {}; built in, used where no other serves", line(folder));
                println!("    {}", folder.settings.quality.as_deref().unwrap_or("never measured"));
            }
            if entries.is_empty() {
                println!("no models in {}; `spinor models add DIR` adds one", registry.display());
            }
            for entry in &entries {
                match &entry.folder {
                    Ok(folder) => println!("{}: {}", entry.name, line(folder)),
                    Err(error) => println!("{}: cannot be used: {error}", entry.name),
                }
            }
        }
    }
    Ok(())
}

fn use_of(folder: &ModelFolder) -> &'static str {
    if serves(folder, Modality::Ct) {
        "ct"
    } else if serves(folder, Modality::Mr) {
        "mr"
    } else {
        "segment only"
    }
}

fn line(folder: &ModelFolder) -> String {
    let (labels, all) = (folder.labels().len(), folder.dataset.names.len().saturating_sub(1));
    let inputs = folder.dataset.channels.join(" + ");
    let [z, y, x] = folder.plan.spacing_mm;
    let folds = folder.networks.len() + usize::from(folder.embedded.is_some());
    let what = match use_of(folder) {
        "segment only" => "for `spinor segment` only (several inputs, or no structure with a level)".to_owned(),
        "mr" => "prepare uses it for an MR without a CT".to_owned(),
        _ => "prepare uses it for CT".to_owned(),
    };
    if folder.parts().is_some() {
        return format!("{inputs}, {z:.2} x {y:.2} x {x:.2} mm, parts of the spine whose levels are counted; {what}");
    }
    format!(
        "{inputs}, {}, {z:.2} x {y:.2} x {x:.2} mm, {folds} network(s), {labels} of {all} labels known; {what}",
        folder.plan.configuration
    )
}

fn describe(folder: &ModelFolder) -> serde_json::Value {
    let labels: serde_json::Map<String, serde_json::Value> =
        folder.labels().iter().map(|(value, label)| (value.to_string(), json!(label.name()))).collect();
    json!({
        "path": folder.path, "dataset": folder.plan.dataset, "configuration": folder.plan.configuration,
        "inputs": folder.dataset.channels, "spacing_mm": folder.plan.spacing_mm, "patch": folder.plan.patch,
        "networks": folder.networks.len() + usize::from(folder.embedded.is_some()), "labels": labels, "use": use_of(folder),
        "scheme": folder.settings.scheme.map(|s| s.name()),
    })
}
