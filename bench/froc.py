#!/usr/bin/env python3
"""Evaluation of many images: seconds and memory over sizes (make bench-froc)."""
import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]


def main():
    with tempfile.TemporaryDirectory() as folder:
        program = pathlib.Path(folder) / "froc"
        subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", f"-I{ROOT}/include", f"{ROOT}/bench/froc.c", f"-L{ROOT}/build/lib", "-luldor",
                        f"-Wl,-rpath,{ROOT}/build/lib", "-o", program], check=True)
        print("| images | detections | bootstrap | add, s | compute, s | processor seconds of it | kept with curve, MB | peak resident, MB |\n|---|---|---|---|---|---|---|---|")
        for images, samples in ((125000, 0), (250000, 0), (500000, 0), (1000000, 0), (1000000, 100)):
            add, compute, busy, kept, peak = subprocess.run([program, str(images), str(samples)], check=True, capture_output=True,
                                                      text=True).stdout.split()
            print(f"| {images} | {5 * images} | {samples} | {float(add):.2f} | {float(compute):.2f} | {float(busy):.2f} | {int(kept) / 1e6:.0f} "
                  f"| {int(peak) / 1e6:.0f} |", flush=True)


if __name__ == "__main__":
    main()
