"""Runs the command-line tool as a user does.

ULDOR_TOOL names another binary, for instance the one with sanitizers (make -C examples/c SANITIZE=1).
"""

import json
import os
import pathlib
import subprocess


ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"


class Tool:
    def __init__(self, binary, weights):
        self.binary, self.weights = binary, weights

    def __call__(self, *arguments, **keywords):
        # The font libraries below cairo keep a cache that is never freed: not the tool's leak.
        environment = {**os.environ, "TERM": "xterm", "LSAN_OPTIONS": f"suppressions={ROOT}/Tests/cli/lsan.supp:print_suppressions=0"}
        keywords = {"capture_output": True, "text": True, "timeout": 300, "env": environment, **keywords}
        done = subprocess.run([self.binary, *map(str, arguments)], **keywords)
        assert done.returncode >= 0, f"killed by signal {-done.returncode}: {done.stderr}"
        assert done.stderr is None or "Sanitizer" not in str(done.stderr), done.stderr
        return done

    def detect(self, *arguments, **keywords):
        return self("detect", "--weights", self.weights, *arguments, **keywords)

    def images(self, *arguments):
        """The JSON's images of a run that must succeed."""
        done = self.detect("--json", "-", "--quiet", *arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["images"]
