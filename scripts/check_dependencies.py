#!/usr/bin/env python3
"""Checks the table of forbidden dependencies: what each crate must never see, whatever other crates enable.

`cargo tree -p` resolves the features of one package alone; a build of the whole workspace unifies them and would hide a breach.
"""

import subprocess
import sys

ENGINE = ["bevy_app", "bevy_ecs", "lightyear", "tokio", "wgpu", "ort", "dicom-object"]
RENDERER = ["bevy_render", "wgpu", "winit", "openxr"]
IMAGES = ["ort", "dicom-object", "nifti"]

# package -> (what it must not depend on, why)
TABLE = {
    "spinor-volume": (ENGINE + ["serde", "rayon"], "the core has no engine, IO or threads"),
    "spinor-sim": (ENGINE + ["serde", "rayon"], "the core has no engine, IO or threads"),
    "spinor-surgeon": (ENGINE + ["serde", "rayon"], "a scripted surgeon is a function of patient and view; recording is a feature"),
    "spinor-assess": (ENGINE, "assessment reads recordings only"),
    "spinor-prepare": (["bevy_app", "bevy_ecs", "lightyear", "tokio", "wgpu"], "preparation knows no engine and no network"),
    "spinor-server": (RENDERER + IMAGES + ["spinor-client-core", "spinor-prepare"], "the server draws nothing and reads no scan"),
    "spinor-client-core": (RENDERER + IMAGES + ["spinor-server"], "bots and tests run without a renderer"),
    "spinor-client": (IMAGES + ["spinor-server", "spinor-prepare"], "the client reads no scan and segments nothing"),
}


def tree(package: str) -> set[str]:
    """Names of everything `package` is built from, alone and without dev-dependencies."""
    out = subprocess.run(
        ["cargo", "tree", "--locked", "-p", package, "-e", "normal", "--prefix", "none", "--format", "{p}"],
        check=True, capture_output=True, text=True,
    )
    return {line.split()[0] for line in out.stdout.splitlines() if line.strip()}


def main() -> int:
    breaches = []
    for package, (forbidden, why) in TABLE.items():
        seen = tree(package)
        if package not in seen:
            breaches.append(f"{package}: cargo tree does not show it")
        breaches += [f"{package} depends on {name}: {why}" for name in forbidden if name in seen]
    for breach in breaches:
        print(breach, file=sys.stderr)
    print(f"{len(TABLE)} packages checked, {len(breaches)} forbidden dependencies")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
