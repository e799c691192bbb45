# SPDX-License-Identifier: Apache-2.0
"""How the cost grows: with the image's size, with threads, with the slices of a volume."""
from __future__ import annotations

from typing import Any, Dict, List

from configuration import DETECTIONS, Configuration, volume
from process import EngineError, Process
from rounds import first_words, interleave

KEYS = ("uldor", "openvino", "torchvision")


def _keys(options: Any) -> List[str]:
    return [key for key in KEYS if key in options.engines]


def over_sizes(options: Any) -> List[Dict[str, Any]]:
    found = []
    for size in options.curve_sizes:
        print(f"  {size} x {size}", flush=True)
        configuration = Configuration(size, max(options.threads))
        rows = interleave({key: configuration for key in _keys(options)}, options.curve_repeats)
        found.append({"size": size, "threads": configuration.threads, "engines": rows})
    return found


def over_threads(options: Any) -> List[Dict[str, Any]]:
    """All thread counts of one engine in the same rounds."""
    size = options.sizes[0]
    found = []
    for key in _keys(options):
        print(f"  {key}", flush=True)
        entries = {str(threads): Configuration(size, threads) for threads in options.curve_threads}
        rows = interleave(entries, options.curve_repeats, dict.fromkeys(entries, key))
        found.append({"engine": key, "size": size, "detections": DETECTIONS, "threads": rows})
    return found


def over_slices(options: Any) -> Dict[str, Any]:
    """libuldor looks at one slice after the other: from pixels in HU to findings, with nothing to find in most."""
    configuration = Configuration(512, max(options.threads))
    try:
        with Process("uldor", configuration) as process:
            process.run()
            row = process.ask("volume", path=str(volume()), slices=options.slices)
    except EngineError as error:
        row = {"error": first_words(error), "whole_error": str(error)}
    return {"threads": configuration.threads, "size": 512, **row}
