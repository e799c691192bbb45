# SPDX-License-Identifier: Apache-2.0
"""The driver's side of a worker process."""
from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from typing import Any, Dict

from configuration import BENCH, BUILD, DATA, Configuration
from engines import ENGINES

TICKS = os.sysconf("SC_CLK_TCK")
#: Seconds. Loading and compiling can take minutes on a slow machine; more than that is a fault.
PATIENCE = 900.0


class EngineError(Exception):
    """The engine cannot do what was asked; the message is for the table."""


def busy_seconds() -> float:
    """CPU time that the whole machine has spent on anything, other guests' included where the kernel knows."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _, _, interrupt, soft, steal = (int(value) for value in file.readline().split()[1:9])
    return (user + nice + system + interrupt + soft + steal) / TICKS


class Process:
    """A worker: started, asked, closed. `cold` asks for a first result at once, before it is even loaded."""

    def __init__(self, key: str, configuration: Configuration, *, cold: bool = False) -> None:
        self.key, self.configuration = key, configuration
        folder = BUILD / "log"
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / f"{key}_{configuration.name}.txt"
        self._buffer = b""
        # What torch.compile keeps from one process to the next belongs to the benchmark; bytecode is kept as anywhere.
        environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": str(DATA / "inductor")}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        with open(self._log, "wb") as log:
            self.started = time.monotonic()
            self._process = subprocess.Popen(
                [sys.executable, str(BENCH / "worker.py"), key, configuration.dump()], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=log, bufsize=0, env=environment)
        try:
            if cold:
                self._send({"do": "run"})
            self.load_s: float = self._receive(PATIENCE)["load_s"]
            self.first: Dict[str, Any] = self._receive(PATIENCE) if cold else {}
        except BaseException:
            self.close()
            raise

    @property
    def label(self) -> str:
        return ENGINES[self.key].label

    def _send(self, request: Dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
        except BrokenPipeError:
            raise EngineError(f"ended; see {self._log.relative_to(BUILD)}") from None

    def _receive(self, patience: float) -> Dict[str, Any]:
        assert self._process.stdout is not None
        until = time.monotonic() + patience
        while b"\n" not in self._buffer:
            if not select.select([self._process.stdout], [], [], max(until - time.monotonic(), 0))[0]:
                raise EngineError(f"no answer in {patience:.0f} s")
            piece = os.read(self._process.stdout.fileno(), 1 << 16)
            if not piece:
                raise EngineError(f"ended with status {self._process.wait()}; see {self._log.relative_to(BUILD)}")
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\n")
        found: Dict[str, Any] = json.loads(line)
        if "error" in found:
            raise EngineError(found["error"])
        return found

    def ask(self, do: str, **arguments: Any) -> Dict[str, Any]:
        self._send({"do": do, **arguments})
        return self._receive(PATIENCE)

    def run(self, size: int = 0) -> Dict[str, Any]:
        """One timed pass. `others` says how many cores something else kept busy meanwhile: a figure is as good as the machine
        was quiet."""
        busy, own, begin = busy_seconds(), self.cpu_seconds(), time.monotonic()
        found = self.ask("run", size=size)
        seconds = time.monotonic() - begin
        others = (busy_seconds() - busy) - (self.cpu_seconds() - own)
        self.settle()
        return found | {"others": round(max(others, 0.0) / seconds, 3)}

    def cpu_seconds(self) -> float:
        with open(f"/proc/{self._process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def settle(self, limit: float = 1.0) -> None:
        """Waits until the worker's threads sleep. OpenMP's spin for a while after a region (libomp's for 200 ms), and the
        next engine would be measured with one core less."""
        until, before, quiet = time.monotonic() + limit, self.cpu_seconds(), 0
        while quiet < 2 and time.monotonic() < until:
            time.sleep(0.03)
            now = self.cpu_seconds()
            quiet, before = (quiet + 1, now) if now == before else (0, now)

    def close(self) -> None:
        """Ends the worker: politely, by closing its input, else by killing this one process."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


