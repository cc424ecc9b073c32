#!/usr/bin/env python3
"""Converts a trained nnU-Net v2 model to ONNX, as `spinor segment` runs it.

    python3 -m pip install torch nnunetv2 onnx
    python3 scripts/export_nnunet.py .../Dataset500_x/nnUNetTrainer__nnUNetPlans__3d_fullres OUT [--folds 0 1 2 3 4]

Writes into OUT: plans.json and dataset.json as they are, model.onnx (one fold) or model_fold0.onnx ... (several, whose logits are
averaged), and mirroring.json with the axes the network may be mirrored along, which stand only in the checkpoint. Opset 17, deep
supervision off, batch axis free. PyTorch checkpoints can hold code: convert only what you trust.
"""
import argparse
import json
import pathlib
import shutil
import sys


def stop(message):
    sys.exit(f"export_nnunet: {message}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=pathlib.Path, help="folder with plans.json, dataset.json and fold_*")
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--folds", nargs="+", help="folds to take; all that are finished when not given")
    parser.add_argument("--checkpoint", default="checkpoint_final.pth")
    args = parser.parse_args()

    for name in ("plans.json", "dataset.json"):
        if not (args.source / name).is_file():
            stop(f"{args.source / name} is missing; give the folder named like nnUNetTrainer__nnUNetPlans__3d_fullres")
    found = sorted(p.parent.name[len("fold_"):] for p in args.source.glob(f"fold_*/{args.checkpoint}"))
    folds = args.folds or found
    if not folds:
        stop(f"no fold_*/{args.checkpoint} in {args.source}")
    missing = [fold for fold in folds if fold not in found]
    if missing:
        stop(f"fold {', '.join(missing)} has no {args.checkpoint}; there is {', '.join(found) or 'none'}")

    try:
        import torch
        from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
    except ImportError as error:
        stop(f"{error}; python3 -m pip install torch nnunetv2 onnx")

    predictor = nnUNetPredictor(device=torch.device("cpu"), perform_everything_on_device=False, allow_tqdm=False)
    use = tuple(int(fold) if fold.isdigit() else fold for fold in folds)
    predictor.initialize_from_trained_model_folder(str(args.source), use_folds=use, checkpoint_name=args.checkpoint)
    patch = predictor.configuration_manager.patch_size
    if len(patch) != 3:
        stop(f"a {len(patch)}-D configuration; only 3-D networks are run")
    network = predictor.network
    channels = len(predictor.dataset_json.get("channel_names") or predictor.dataset_json["modality"])
    args.out.mkdir(parents=True, exist_ok=True)
    for fold, weights in zip(folds, predictor.list_of_parameters):
        network.load_state_dict(weights)
        network.eval()
        if hasattr(network, "decoder") and hasattr(network.decoder, "deep_supervision"):
            network.decoder.deep_supervision = False
        name = "model.onnx" if len(folds) == 1 else f"model_fold{fold}.onnx"
        example = torch.zeros(1, channels, *patch)
        options = {"opset_version": 17, "input_names": ["x"], "output_names": ["y"], "dynamic_axes": {"x": {0: "n"}, "y": {0: "n"}}}
        with torch.no_grad():
            try:
                torch.onnx.export(network, (example,), str(args.out / name), dynamo=False, **options)
            except TypeError:  # older PyTorch has no such argument and exports this way anyway
                torch.onnx.export(network, (example,), str(args.out / name), **options)
        print(f"wrote {args.out / name}", file=sys.stderr)
    for name in ("plans.json", "dataset.json"):
        shutil.copyfile(args.source / name, args.out / name)
    axes = predictor.allowed_mirroring_axes
    text = json.dumps({"inference_allowed_mirroring_axes": None if axes is None else list(axes)})
    (args.out / "mirroring.json").write_text(text + "\n")
    # The configuration the folder was trained for, which plans.json alone does not say.
    configuration = args.source.name.rsplit("__", 1)[-1]
    if configuration in predictor.plans_manager.available_configurations:
        (args.out / "spinor.json").write_text(json.dumps({"configuration": configuration}) + "\n")


if __name__ == "__main__":
    main()
