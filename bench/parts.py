# SPDX-License-Identifier: Apache-2.0
"""What surrounds libuldor's arithmetic, each by itself: planning a pass, and making the network's input of a CT slice."""
from __future__ import annotations

from typing import Any, Dict, List

from configuration import Configuration, volume
from process import EngineError, Process
from rounds import first_words


def measure(options: Any) -> List[Dict[str, Any]]:
    found = []
    for size in options.sizes:
        for threads in options.threads:
            print(f"  {size} x {size}, {threads} thread{'s' * (threads > 1)}", flush=True)
            row: Dict[str, Any] = {"size": size, "threads": threads}
            try:
                with Process("uldor", Configuration(size, threads)) as process:
                    process.run()
                    row |= process.ask("parts", path=str(volume()), repeats=9 * options.repeats)
                    row["pass_ms"] = [process.run()["ms"] for _ in range(options.curve_repeats)]
            except EngineError as error:
                row |= {"error": first_words(error), "whole_error": str(error)}
            found.append(row)
    return found
