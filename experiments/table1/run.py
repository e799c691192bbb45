"""Runs what is to be trained: one after another or side by side, each to its end or not at all.

A training whose result file is there is not run again. One that was killed goes on from its checkpoint (docs/training.md),
and one whose options have changed begins anew."""
import csv
import json
import subprocess
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

from paper import LEVELS
from plan import MEASURED, Training

BEGUN = "begun.json"


class Failed(RuntimeError):
    """A command of the tool ended with an error."""


class Runner:
    def __init__(self, tool: Path, jobs: int, threads: int = 1, minutes: Optional[float] = None) -> None:
        self.tool, self.jobs, self.threads = tool, jobs, threads
        self.end = None if minutes is None else time.monotonic() + 60 * minutes
        self.children: List[subprocess.Popen[str]] = []
        self.lock = threading.Lock()

    def call(self, *arguments: str) -> float:
        """Runs the tool to its end; returns the seconds that it took."""
        began = time.monotonic()
        child = subprocess.Popen([str(self.tool), *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        with self.lock:
            self.children.append(child)
        try:
            output, _ = child.communicate()
        finally:
            with self.lock:
                self.children.remove(child)
        if child.returncode != 0:
            raise Failed(f"{' '.join([str(self.tool), *arguments])}\nended with {child.returncode}: {output.strip()[-2000:]}")
        return time.monotonic() - began

    def stop(self) -> None:
        with self.lock:
            for child in self.children:
                child.terminate()  # `uldor train` writes a checkpoint

    def all(self, trainings: Sequence[Training]) -> List[Training]:
        """Returns those that were not begun, where the minutes were over."""
        left = [training for training in trainings if not training.done()]
        print(f"{len(trainings) - len(left)} of {len(trainings)} trainings are done", flush=True)
        running: Dict[Future[None], Training] = {}
        with ThreadPoolExecutor(self.jobs) as pool:
            try:
                while left or running:
                    for training in list(left):
                        late = self.end is not None and time.monotonic() > self.end
                        if len(running) == self.jobs or late:
                            break
                        if training.before is None or training.before.done():
                            left.remove(training)
                            running[pool.submit(self.one, training)] = training
                    if not running:
                        break
                    finished, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in finished:
                        running.pop(future)
                        future.result()
            except BaseException:
                self.stop()
                raise
        return left

    def one(self, training: Training) -> None:
        result = training.read() or self.train(training)
        if not training.starts:
            result["froc"], result["measured"] = self.measure(training), list(MEASURED)
        partial = training.result.with_suffix(".partial")
        partial.write_text(json.dumps(result, indent=1) + "\n")
        partial.rename(training.result)
        (training.folder / "checkpoint").unlink(missing_ok=True)
        print(f"done  {training.label}: {result['seconds'] / 60:.1f} min", flush=True)

    def train(self, training: Training) -> Dict[str, Any]:
        training.folder.mkdir(parents=True, exist_ok=True)
        begun, identity = training.folder / BEGUN, training.identity()
        before = json.loads(begun.read_text()) if begun.is_file() else {}
        spent = before["seconds"] if before.get("identity") == identity else None
        began = time.monotonic()
        seconds = lambda: (spent or 0.0) + time.monotonic() - began  # noqa: E731
        if spent is None:  # a checkpoint would be of another training
            (training.folder / "checkpoint").unlink(missing_ok=True)
        begun.write_text(json.dumps({"identity": identity, "seconds": spent or 0.0}))
        print("train", training.label, flush=True)
        try:
            self.call("train", *training.arguments(), "--out", str(training.weights), "--checkpoint",
                      str(training.folder / "checkpoint"), "--log", str(training.folder / "log.csv"), "--threads",
                      str(self.threads), "--quiet")
        finally:
            begun.write_text(json.dumps({"identity": identity, "seconds": seconds()}))
        return {"training": training.name, "set": training.data.name, "seed": training.seed, "identity": identity,
                "seconds": seconds(), "epochs": epochs(training.folder / "log.csv")}

    def measure(self, training: Training) -> Dict[str, Any]:
        """Detects on the test split and measures against each truth, without the class of false positives and with it."""
        detections = training.folder / "detections.json"
        base = ("--data", str(training.data.directory), *training.data.options)
        self.call("evaluate", "--weights", str(training.weights), *base, *training.data.widest, "--split", "test", "--output",
                  str(detections), *MEASURED, "--threads", str(self.threads), "--restart", "--quiet", "--convention", "paper")
        measured: Dict[str, Any] = {}
        for truth, options in training.data.truths.items():
            for rule in ("ignore", "lesion-score") if training.mines else ("ignore",):
                report = training.folder / f"froc.{truth}.{rule}.json"
                self.call("froc", *base, *options, "--detections", str(detections), "--split", "test", "--false-positives", rule,
                          "--bootstrap", "1000", "--levels", ",".join(map(str, LEVELS)), "--json", str(report), "--quiet")
                measured[f"{truth}.{rule}"] = json.loads(report.read_text())
        return measured


def epochs(log: Path) -> List[Dict[str, float]]:
    """The log's lines for whole epochs."""
    with open(log, newline="") as file:
        return [{name: float(row[name]) for name in row if name != "event" and row[name]} for row in csv.DictReader(file)
                if row["event"] == "epoch"]
