#!/usr/bin/env python3
"""Times meshing beside VTK on the same field, in turn, one thread.

    pip install vtk numpy
    cargo build --release -p spinor-volume --example peers
    python3 scripts/bench_vtk.py target/release/examples/peers [ROUNDS]
    python3 scripts/bench_vtk.py target/release/examples/peers --ticks

With --ticks it is the blocks of 16 voxels that a burr's stroke changes tick by tick, each of which VTK gets as a small dense array of
what is left there: FlyingEdges3D of the samples, and SurfaceNets3D of their signs, unsmoothed. The call's own share, about the same
for any block, is told beside it.

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


# Samples along an edge of a written block.
WRITTEN = 18


def vtk_ticks(path: Path) -> tuple[dict[str, list[float]], float]:
    """Microseconds of meshing each tick's blocks by filter, and of one call for a block in which there is nothing."""
    import numpy
    import vtk
    from vtk.util import numpy_support

    vtk.vtkSMPTools.Initialize(1)
    raw, size = path.read_bytes(), WRITTEN**3
    edges = vtk.vtkFlyingEdges3D()
    edges.SetValue(0, -0.5)
    edges.ComputeNormalsOn()
    edges.ComputeScalarsOff()
    nets = vtk.vtkSurfaceNets3D()
    nets.SetValue(0, 1)
    nets.SmoothingOff()

    def image(samples, kind):
        made = vtk.vtkImageData()
        made.SetDimensions(WRITTEN, WRITTEN, WRITTEN)
        made.SetSpacing(0.4, 0.4, 0.4)
        made.GetPointData().SetScalars(numpy_support.numpy_to_vtk(samples, deep=True, array_type=kind))
        return made

    def micros(contour, made) -> float:
        contour.SetInputData(made)
        start = time.thread_time()
        contour.Update()
        return (time.thread_time() - start) * 1e6

    nothing = numpy.full(size, 127, "i1")
    empty = sorted(micros(edges, image(nothing, vtk.VTK_SIGNED_CHAR)) for _ in range(200))
    times = {"FlyingEdges3D": [], "SurfaceNets3D": []}
    place = 0
    while place < len(raw):
        count = int.from_bytes(raw[place : place + 4], "little")
        place += 4
        tick = [0.0, 0.0]
        for _ in range(count):
            samples = numpy.frombuffer(raw, dtype="i1", count=size, offset=place)
            place += size
            tick[0] += micros(edges, image(samples, vtk.VTK_SIGNED_CHAR))
            tick[1] += micros(nets, image((samples < 0).astype("u1"), vtk.VTK_UNSIGNED_CHAR))
        for name, spent in zip(times, tick):
            times[name].append(spent)
    return times, empty[len(empty) // 2]


def ticks(peers: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "blocks.i8"

        def spinor() -> list[float]:
            lines = subprocess.run([peers, "blocks", str(path)], check=True, capture_output=True, text=True).stdout.splitlines()
            return [float(line.split()[0]) for line in lines]

        def quicker(one: list[float], other: list[float]) -> list[float]:
            return [min(a, b) for a, b in zip(one, other)]

        # Twice in turn, and of each tick the quicker.
        ours = spinor()
        theirs, empty = vtk_ticks(path)
        ours = quicker(ours, spinor())
        again, empty_again = vtk_ticks(path)
        theirs = {name: quicker(times, again[name]) for name, times in theirs.items()}
        empty = min(empty, empty_again)

    def told(times):
        times = sorted(times)
        return sum(times) / len(times), times[len(times) // 2], times[len(times) * 99 // 100]

    rows = {"Spinor surface nets": ours, **{f"VTK {name}": times for name, times in theirs.items()}}
    for name, times in rows.items():
        mean, p50, p99 = told(times)
        ratio = told(ours)[0] / mean
        print(f"{name:22} mean {mean:7.1f} us, p50 {p50:7.1f}, p99 {p99:7.1f} a tick; Spinor's mean / its {ratio:.2f}")
    print(f"a call of VTK for a block with nothing in it: {empty:.1f} us")


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    if sys.argv[2:] == ["--ticks"]:
        ticks(sys.argv[1])
        return
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
