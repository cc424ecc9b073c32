#!/usr/bin/env python3
"""Times meshing beside VTK on the same field, in turn, one thread.

    pip install vtk numpy
    cargo build --release -p spinor-volume --example peers
    python3 scripts/bench_vtk.py target/release/examples/peers [ROUNDS]

Both get the same i8 samples of the same bone at 0.4 mm and make triangles with normals. VTK reads a dense array, Spinor its sparse bricks.
FlyingEdges3D is marching cubes, Spinor's are surface nets, so the triangles are not the same; their number is printed.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path


def vtk_times(path: Path, rounds: int, spinor) -> None:
    import numpy
    import vtk
    from vtk.util import numpy_support

    vtk.vtkSMPTools.Initialize(1)
    raw = path.read_bytes()
    size = numpy.frombuffer(raw[:12], dtype="<u4")
    samples = numpy.frombuffer(raw[12:], dtype="i1")
    image = vtk.vtkImageData()
    image.SetDimensions(*(int(n) for n in size))
    image.SetSpacing(0.4, 0.4, 0.4)
    array = numpy_support.numpy_to_vtk(samples, deep=True, array_type=vtk.VTK_SIGNED_CHAR)
    image.GetPointData().SetScalars(array)

    def edges() -> tuple[float, int]:
        contour = vtk.vtkFlyingEdges3D()
        contour.SetInputData(image)
        contour.SetValue(0, -0.5)
        contour.ComputeNormalsOn()
        contour.ComputeScalarsOff()
        start = time.thread_time()
        contour.Update()
        return (time.thread_time() - start) * 1e3, contour.GetOutput().GetNumberOfCells()

    ours, theirs = [], []
    edges(), spinor()
    for _ in range(rounds):
        ours.append(spinor())
        theirs.append(edges())

    def best(times):
        return min(ms for ms, _ in times)

    def median(times):
        return sorted(ms for ms, _ in times)[len(times) // 2]

    peer = f"VTK {vtk.vtkVersion.GetVTKVersion()} FlyingEdges3D, dense i8"
    for name, times in (("Spinor surface nets, sparse i8", ours), (peer, theirs)):
        print(f"{name:45} best {best(times):7.1f} ms, median {median(times):7.1f} ms, {times[0][1]} triangles")
    print(f"ratio Spinor / VTK: best {best(ours) / best(theirs):.2f}, median {median(ours) / median(theirs):.2f}")


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    peers, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 15

    def spinor() -> tuple[float, int]:
        # The second of two rounds: the first one fills caches and tables.
        line = subprocess.run([peers, "mesh", "2"], check=True, capture_output=True, text=True).stdout.splitlines()[1]
        words = line.split()
        return float(words[0]), int(words[2])

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bone.i8"
        subprocess.run([peers, "dump", str(path)], check=True)
        vtk_times(path, rounds, spinor)


if __name__ == "__main__":
    main()
