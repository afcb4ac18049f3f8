"""`make soak`: a long conversation on a bad line: cut every ten seconds, with malformed events in between.

Prints what it saw, and ends with 1 where memory grew, a line was lost, or the client failed.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import wave
from contextlib import suppress
from pathlib import Path

from program import NAMED, SAMPLE, Program

from standin.server import StandIn

PAUSE_S = 5  # after each question, for its answer
SAMPLE_EVERY_S = 10
MOST_GROWTH_MIB = 1.0  # from the run's middle to its end


def questions(path: Path, minutes: float) -> Path:
    """The sample over and over, with pauses, as a WAV file."""
    with wave.open(str(SAMPLE)) as sample, wave.open(str(path), "wb") as file:
        file.setparams(sample.getparams())
        once = sample.readframes(sample.getnframes()) + bytes(2 * 24_000 * PAUSE_S)
        for _ in range(max(1, round(minutes * 60 * 48_000 / len(once)))):
            file.writeframes(once)
    return path


def resident_mib(pid: int) -> float:
    """VmRSS, from /proc."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def lines(text: str, start: str) -> list[str]:
    return [line.removeprefix(start) for line in text.splitlines() if line.startswith(start)]


def soak(folder: Path, minutes: float) -> int:
    """Hold the conversation; the number of complaints."""
    memory: list[float] = []
    with StandIn(faults=[f"drop-after={SAMPLE_EVERY_S}", "malformed"]) as service:
        wav = str(questions(folder / "questions.wav", minutes))
        sound = ("--input", wav, "--output", str(folder / "heard.wav"))
        program = Program("project", "--endpoint", service.endpoint, *NAMED, *sound, log_dir=folder)
        while program.process.poll() is None:
            memory.append(resident_mib(program.process.pid))
            with suppress(subprocess.TimeoutExpired):
                program.process.wait(SAMPLE_EVERY_S)
        code = program.wait()
    sizes = ", ".join(f"{path.name[20:]} {path.stat().st_size / 2**20:.1f}" for path in folder.glob("*.log"))
    shown, logged = (
        lines(program.stdout, "Agent: "),
        lines(program.conversation_log, "Agent Audio Response:\t"),
    )
    lost = [line for line in shown if not any(line in entry for entry in logged)]
    bugs = program.technical_log.count("Traceback")
    growth = max(memory[-3:]) - memory[len(memory) // 2]
    print(f"{len(shown)} answers, {program.stderr.count('Connected again')} reconnects, exit code {code}")
    print("memory in MiB, every minute:", *(f"{mib:.1f}" for mib in memory[:: 60 // SAMPLE_EVERY_S]))
    print(f"files in MiB: {sizes}")
    print(f"memory {memory[-1]:.1f} MiB, grown by {growth:.1f} MiB since half-time; {len(lost)} lines lost")
    print(f"{len(service.sessions)} sessions, {bugs} tracebacks")
    return (code != 0) + bool(lost) + bool(bugs) + (growth > MOST_GROWTH_MIB) + (not shown)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    with tempfile.TemporaryDirectory() as name:
        sys.exit(1 if soak(Path(name), parser.parse_args().minutes) else 0)
