# SPDX-License-Identifier: Apache-2.0
"""Engines in turn. The machine drifts by tenths from minute to minute, so what is compared is measured within seconds of each
other: one run of each engine is a round, and a ratio is taken within a round. Before and after each run it is measured how many cores
the machine gives (machine.cores); samples.py takes the runs for which it gave them."""
from __future__ import annotations

from contextlib import ExitStack
from typing import Any, Callable, Dict, List, Mapping

import machine
from configuration import Configuration
from process import EngineError, Process
from samples import steady

#: The second run of some engines is slower than the first: they plan their memory then.
WARM_UP = 2
#: Where the machine does not give its cores, there are as many rounds more, at most.
PATIENCE = 2


def first_words(error: BaseException) -> str:
    """The line of an engine's message that says most; OpenVINO's span pages and end with it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].lstrip("- ") if lines else type(error).__name__


def enough(row: Mapping[str, Any], repeats: int) -> bool:
    return sum(map(steady, row["samples"])) >= repeats


def interleave(entries: Mapping[str, Configuration], repeats: int, keys: Mapping[str, str] | None = None,
               finish: Callable[[str, Process], Dict[str, Any]] | None = None) -> Dict[str, Dict[str, Any]]:
    """Runs every entry in rounds, after warm-up: `repeats` for which the machine gave its cores, at most PATIENCE times as many. An entry is an engine in a configuration; its name is the
    engine's, or `keys` gives the engine. Returns samples, or the error that ended them; `finish` adds to a row."""
    rows: Dict[str, Dict[str, Any]] = {name: {"samples": []} for name in entries}
    with ExitStack() as stack:
        running: Dict[str, Process] = {}

        def attempt(name: str, act: Callable[[], Any]) -> None:
            try:
                act()
            except EngineError as error:
                rows[name] |= {"error": first_words(error), "whole_error": str(error)}
                running.pop(name, None)
                print(f"    {name}: {first_words(error)}", flush=True)

        def start(name: str) -> None:
            key = (keys or {}).get(name, name)
            running[name] = stack.enter_context(Process(key, entries[name]))
            for _ in range(WARM_UP):
                running[name].run()

        for name in entries:
            attempt(name, lambda: start(name))
        threads = max(configuration.threads for configuration in entries.values())
        given = machine.cores(threads)
        for number in range(PATIENCE * repeats):
            if running and all(enough(rows[name], repeats) for name in running):
                break
            # Each round begins with another engine, so that none always follows the same one.
            order: List[str] = list(running)
            order = order[number % len(order):] + order[:number % len(order)] if order else []
            for name in order:
                before, count = given, len(rows[name]["samples"])
                attempt(name, lambda: rows[name]["samples"].append(running[name].run() | {"round": number}))
                given = machine.cores(threads)
                for sample in rows[name]["samples"][count:]:
                    sample["cores"] = [min(before, given), threads]
        for name in list(running):
            attempt(name, lambda: rows[name].update(about=running[name].ask("about"), **(finish(name, running[name]) if finish else {})))
    return rows
