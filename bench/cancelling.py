#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long a call goes on after it was cancelled, at moments spread over it: a pass, and a step of training (two images).

    python bench/cancelling.py W.safetensors [--size 512] [--threads 2] [--moments 20]

Needs numpy and the built library; tools/make_weights.py makes weights, `make bench` leaves some in build/bench/data."""
from __future__ import annotations

import argparse
import statistics
import sys
import threading
import time
from typing import Any, Callable, List

import training_data
from configuration import ROOT

sys.path.insert(0, str(ROOT / "examples" / "python" / "src"))
import uldor  # noqa: E402

BATCH = 2


def delays(call: Callable[[], Any], cancel: Callable[[], Any], moments: int) -> List[float]:
    """Milliseconds from cancel() to the call's return, for each moment that found it running."""
    begin = time.perf_counter()
    call()
    whole = time.perf_counter() - begin
    found = []
    for moment in range(moments):
        cancelled: List[float] = []

        def stop() -> None:
            cancelled.append(time.perf_counter())
            cancel()

        timer = threading.Timer(whole * (moment + 0.5) / moments, stop)
        timer.start()
        try:
            call()
        except uldor.Cancelled:
            found.append((time.perf_counter() - cancelled[0]) * 1e3)
        timer.join()
    return found


def report(what: str, found: List[float]) -> None:
    print(f"{what}: {len(found)} calls cancelled; until they returned, ms: median {statistics.median(found):.1f}, longest {max(found):.1f}",
          flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--moments", type=int, default=20)
    options = parser.parse_args()

    with uldor.Model(options.weights) as model, model.session(threads=options.threads) as session:
        tensor = training_data.tensor(training_data.slices(options.size, 1)[0][0])
        report("pass", delays(lambda: session.forward(tensor), session.cancel, options.moments))

    with training_data.dataset(options.size, BATCH) as data, uldor.Trainer(
            data, init=options.weights, validation_split=None, epochs=100000, batch=BATCH, lr=1e-5, threads=options.threads) as trainer:
        report("step of training", delays(lambda: trainer.run(1), trainer.cancel, options.moments))


if __name__ == "__main__":
    main()
