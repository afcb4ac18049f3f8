"""What the client costs: time to start, CPU, memory; and ten minutes of speech in one burst."""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from bench_latency import audible, last_sound, noise
from bench_talkers import (
    Client,
    Compared,
    Figures,
    Start,
    Talker,
    bare_stream,
    both,
    client,
    quickstart,
    slow_az,
)
from program import ROOT, environment
from soundcard import VirtualSoundCard

TIMEOUT_S = 30
WINDOWS = 4
WINDOW_S = 5.0
TURN_S = 2.0  # of speech in each window
BURSTS = 3
BURST_S = 600.0
TOKEN_ALONE = """
from azure.identity import DefaultAzureCredential
DefaultAzureCredential().get_token("https://ai.azure.com/.default")
"""


def start(card: VirtualSoundCard, rounds: int) -> Compared:
    """Process start to the first block at the service. The floor: Python, azure-identity, and the token."""

    def measure(start: Callable[..., AbstractContextManager[Client]]) -> list[float]:
        heard = []
        for _ in range(rounds):
            with start(card, signs_in=True) as talker:
                heard.append(1000 * (talker.wait_for_microphone() - talker.started_at))
        return heard

    ours = measure(client)
    with tempfile.TemporaryDirectory(prefix="voicelive-bench-") as folder:
        path = slow_az(Path(folder))
        token = [run_ms("-c", TOKEN_ALONE, PATH=path) for _ in range(rounds)]
    return {"start": ours}, {"start": token}, {"start": measure(quickstart)}


def show_help(_: VirtualSoundCard, rounds: int) -> Compared:
    """The whole process that shows the help. The floor: Python alone."""
    shown = [run_ms(str(ROOT / "voicelive_agent.py"), "--help") for _ in range(rounds)]
    return {"help": shown}, {"help": [run_ms("-c", "pass") for _ in range(rounds)]}


def run_ms(*arguments: str, **variables: str) -> float:
    """How long Python takes for these arguments, in ms."""
    began = time.monotonic()
    command = [sys.executable, *arguments]
    subprocess.run(command, env=environment(**variables), check=True, stdout=subprocess.DEVNULL)
    return 1000 * (time.monotonic() - began)


def conversation(card: VirtualSoundCard, _: int) -> Compared:
    """CPU and memory with the microphone running and a turn in each window.

    The floor: both streams, and all that the client imports.
    """
    return (
        measure_conversation(client(card, signs_in=True)),
        measure_conversation(bare_stream(card, "--imports")),
        measure_conversation(quickstart(card, signs_in=True)),
    )


def measure_conversation(talker_starts: AbstractContextManager[Talker]) -> Figures:
    figures: Figures = {"cpu": [], "memory": []}
    with talker_starts as talker:
        talker.wait_for_microphone()
        have_turn(talker, 0)
        time.sleep(WINDOW_S)
        for number in range(WINDOWS):
            cpu_s, began = cpu_seconds(talker.pid), time.monotonic()
            have_turn(talker, number)
            time.sleep(WINDOW_S)
            used_s, passed_s = cpu_seconds(talker.pid) - cpu_s, time.monotonic() - began
            figures["cpu"].append(100 * used_s / passed_s)
            figures["memory"].append(resident_bytes(talker.pid) / 2**20)
    return figures


def have_turn(talker: Talker, seed: int) -> None:
    """The user speaks, the agent answers."""
    talker.interrupt()
    talker.begin_reply()
    talker.send_audio(noise(TURN_S, seed))
    talker.end_reply()


def burst(card: VirtualSoundCard, _: int) -> Compared:
    """Ten minutes of speech at once: the memory they take, and how soon they fall silent."""
    pcm = noise(BURST_S)

    def measure(start: Start) -> Figures:
        figures: Figures = {"burst_memory": [], "burst_silence": []}
        for _ in range(BURSTS):
            with start() as talker, card.recording() as recording:
                talker.wait_for_microphone()
                talker.begin_reply()
                before = resident_bytes(talker.pid)
                talker.send_audio(pcm)
                talker.settle()
                figures["burst_memory"].append((resident_bytes(talker.pid) - before) / 1e6)
                recording.wait_for(lambda pcm: len(audible(pcm[-960:])) > 0, TIMEOUT_S)
                told = talker.interrupt()
                figures["burst_silence"].append(1000 * (last_sound(recording) - told))
        return figures

    return both(card, measure)


def cpu_seconds(pid: int) -> float:
    """The CPU time that a process has used so far, in steps of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int) -> int:
    """The memory of a process that is in RAM."""
    status = Path(f"/proc/{pid}/status").read_text()
    (kib,) = re.findall(r"VmRSS:\s+(\d+) kB", status)
    return int(kib) * 1024
