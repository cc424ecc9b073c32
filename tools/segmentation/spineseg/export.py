"""Writes a trained network as an nnU-Net v2 export that `spinor segment` and `spinor prepare` run.

python -m spineseg.export --weights run/checkpoint.pt --out ../../assets/models/spine-ct
"""

import argparse
import json
import pathlib

import torch

from . import classes as c
from .network import Exported, UNet, weights_from

RESAMPLING = "resample_data_or_seg_to_shape"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", required=True, help="checkpoint.pt, a state dict or an exported model.onnx")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--modality", choices=("ct", "mr"), default="ct")
    args = parser.parse_args()
    network = UNet()
    network.load_state_dict(weights_from(args.weights))
    # CT is normalised so that 0 is the lower end of the window; z-scored MR has its zero where the network has.
    whole = Exported(network, c.CT_SHIFT if args.modality == "ct" else 0.0).eval()
    args.out.mkdir(parents=True, exist_ok=True)
    example = torch.zeros(1, 1, c.PATCH, c.PATCH, c.PATCH)
    options = {"opset_version": 17, "input_names": ["x"], "output_names": ["y"]}
    if tuple(int(v) for v in torch.__version__.split("+")[0].split(".")[:2]) >= (2, 5):
        options["dynamo"] = False
    with torch.no_grad():
        torch.onnx.export(whole, (example,), str(args.out / "model.onnx"), **options)
    name = f"spine-{args.modality}"
    write(args.out / "plans.json", plans(name, args.modality))
    labels = {label: number for number, label in enumerate(c.CLASSES)}
    channel = {"ct": "CT", "mr": "MRI"}[args.modality]
    write(args.out / "dataset.json", {"channel_names": {"0": channel}, "labels": labels, "file_ending": ".nii.gz"})
    settings = args.out / "spinor.json"
    said = json.loads(settings.read_text()) if settings.exists() else {}
    write(settings, {"modality": args.modality, "orientation": "RAS", "shrink": "mean", **said})


def plans(name, modality):
    sampling = dict.fromkeys(("resampling_fn_data", "resampling_fn_seg", "resampling_fn_probabilities"), RESAMPLING)
    arguments = {"is_seg": False, "order": 1, "order_z": 0, "force_separate_z": False}
    configuration = {
        "preprocessor_name": "DefaultPreprocessor",
        "patch_size": [c.PATCH] * 3,
        "spacing": [c.NETWORK_MM] * 3,
        "normalization_schemes": ["CTNormalization" if modality == "ct" else "ZScoreNormalization"],
        "use_mask_for_norm": [False],
        **sampling,
        "resampling_fn_data_kwargs": arguments,
        "resampling_fn_seg_kwargs": {**arguments, "is_seg": True},
        "resampling_fn_probabilities_kwargs": arguments,
    }
    low, high, scale = c.CT_LOW_HU, c.CT_HIGH_HU, c.CT_SCALE_HU
    window = {"percentile_00_5": low, "percentile_99_5": high, "mean": low, "std": scale, "min": low, "max": high, "median": 0.0}
    return {
        "dataset_name": name,
        "plans_name": "nnUNetPlans",
        "image_reader_writer": "SimpleITKIO",
        # The engine hands (z, y, x) of an image turned to right, front, up; the network was trained on (x, y, z).
        "transpose_forward": [2, 1, 0],
        "transpose_backward": [2, 1, 0],
        "configurations": {"3d_fullres": configuration},
        "foreground_intensity_properties_per_channel": {"0": window},
    }


def write(path, value):
    path.write_text(json.dumps(value, indent=1) + "\n")


if __name__ == "__main__":
    main()
