# SPDX-License-Identifier: Apache-2.0
"""Engines in turn. The machine drifts by tenths from minute to minute, so what is compared is measured within seconds of each
other: one run of each engine is a round, and a ratio is taken within a round. A run counts if the machine gave its cores before and
after it (samples.py)."""
from __future__ import annotations

from contextlib import ExitStack
from typing import Any, Callable, Collection, Dict, List, Mapping, Set

import machine
from configuration import Configuration
from process import EngineError, Process
from samples import is_counted

#: The second run of some engines is slower than the first: they plan their memory then.
WARM_UP = 2
#: So many times the rounds that were asked for, at most, where the machine does not give its cores.
PATIENCE = 3
#: What ratios are of.
OURS = "uldor"


def first_words(error: BaseException) -> str:
    """The line of an engine's message that says most; OpenVINO's span pages and end with it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].lstrip("- ") if lines else type(error).__name__


class Watch:
    """Measures between runs how many cores the machine gives to so many threads, and writes it into their samples."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._given = machine.cores(threads)

    def run(self, act: Callable[[], Dict[str, Any]]) -> Dict[str, Any]:
        before = self._given
        try:
            sample = act()
        finally:
            self._given = machine.cores(self._threads)
        return sample | {"cores": [min(before, self._given), self._threads]}


def enough(rows: Mapping[str, Any], keys: Collection[str], repeats: int) -> bool:
    """Whether each of these has as many runs that count, in rounds in which libuldor's counts, too: a ratio needs both."""
    counted = {key: {sample["round"] for sample in row.get("samples", []) if is_counted(sample)} for key, row in rows.items()}
    everything: Set[int] = set().union(*counted.values())
    ours = counted[OURS] if OURS in keys else everything
    return all(len(counted[key] & ours) >= repeats for key in keys)


def interleave(entries: Mapping[str, Configuration], repeats: int, keys: Mapping[str, str] | None = None,
               finish: Callable[[str, Process], Dict[str, Any]] | None = None) -> Dict[str, Dict[str, Any]]:
    """Runs every entry in rounds, after warm-up, until `repeats` runs of each count, and at most PATIENCE times as many. An entry is
    an engine in a configuration; its name is the engine's, or `keys` gives the engine. Returns samples, or the error that ended
    them; `finish` adds to a row."""
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
        watch = Watch(max(configuration.threads for configuration in entries.values()))
        for number in range(PATIENCE * repeats):
            if enough(rows, running, repeats):
                break
            # Each round begins with another engine, so that none always follows the same one.
            order: List[str] = list(running)
            order = order[number % len(order):] + order[:number % len(order)] if order else []
            for name in order:
                attempt(name, lambda: rows[name]["samples"].append(watch.run(running[name].run) | {"round": number}))
        for name in list(running):
            attempt(name, lambda: rows[name].update(about=running[name].ask("about"), **(finish(name, running[name]) if finish else {})))
    return rows
