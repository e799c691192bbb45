"""Progress, pipes and Ctrl-C."""

import json
import os
import pty
import signal
import subprocess
import threading
import time

import pytest

import cli_files


@pytest.fixture
def volume(tmp_path):
    """Enough work to be interrupted."""
    path = tmp_path / "v.nii"
    path.write_bytes(cli_files.nifti_bytes(cli_files.phantom(depth=60, height=400, width=400).transpose(2, 1, 0)))
    return path


def on_terminal(command, **keywords):
    """Runs with a terminal as standard error; returns exit code and what came to it."""
    master, slave = pty.openpty()
    process = subprocess.Popen(command, stderr=slave, stdout=subprocess.DEVNULL, **keywords)
    os.close(slave)
    seen = b""
    while True:
        try:
            part = os.read(master, 4096)
        except OSError:
            break
        if not part:
            break
        seen += part
    os.close(master)
    return process.wait(), seen.decode()


def test_progress_on_a_terminal(tool, volume):
    command = [tool.binary, "detect", "-w", tool.weights, "--slices", "0-3", volume]
    code, seen = on_terminal(command, env={**os.environ, "TERM": "xterm"})
    assert code == 0 and "v.nii" in seen and "%" in seen
    assert seen.endswith("\r\x1b[K") and "\n" not in seen
    for quiet in ({"command": [*command, "--quiet"], "env": {**os.environ, "TERM": "xterm"}},
                  {"command": command, "env": {**os.environ, "TERM": "dumb"}}):
        assert on_terminal(quiet["command"], env=quiet["env"]) == (0, "")


def test_nothing_in_a_pipe(tool, volume):
    done = tool.detect("--slices", "0-1", volume)
    assert done.returncode == 0 and done.stderr == "" and "\x1b" not in done.stdout and "\r" not in done.stdout


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupt(tool, volume, tmp_path, number, code):
    out = tmp_path / "out"
    out.mkdir()
    process = subprocess.Popen([tool.binary, "detect", "-w", tool.weights, "--json", out / "o.json", "--overlay", out / "o.png", volume],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.readline()  # the first slice is done: it works on the second
    time.sleep(0.05)
    process.send_signal(number)
    sent = time.monotonic()
    _, messages = process.communicate(timeout=60)
    assert process.returncode == code
    assert time.monotonic() - sent < 10
    assert messages == "uldor: interrupted\n"
    names = os.listdir(out)
    assert all(name.endswith(".png") and name.startswith("o-s") for name in names), names
    assert len(names) < 60


def test_interrupt_at_any_moment(tool, volume, tmp_path):
    """Whenever it comes, files are whole or absent."""
    out = tmp_path / "out"
    out.mkdir()
    for delay in (0.0, 0.01, 0.03, 0.1, 0.2, 0.4, 0.8):
        process = subprocess.Popen([tool.binary, "detect", "-w", tool.weights, "--slices", "0-2", "--json", out / "o.json", volume],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        timer = threading.Timer(delay, process.send_signal, [signal.SIGINT])
        timer.start()
        process.communicate(timeout=120)
        timer.cancel()
        # -SIGINT: it came before main() had begun
        assert process.returncode in (0, 130, -signal.SIGINT)
        names = os.listdir(out)
        assert names in ([], ["o.json"])
        if names:
            assert json.loads((out / "o.json").read_text())["format"] == "uldor-detections"
            os.unlink(out / "o.json")


def test_ignored_signals_stay_ignored(tool, volume):
    process = subprocess.Popen([tool.binary, "detect", "-w", tool.weights, "--slices", "0-1", volume], stdout=subprocess.PIPE,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode == 0
