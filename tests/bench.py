"""`make bench`: the client's times on the virtual sound card, beside the floor that the card allows.

Everything is measured in the same run and in the same way with the client and with a bare PortAudio
callback stream (bench_bare.py). docs/bench.md says what each row means.
"""

import argparse
import datetime
import os
import platform
import re
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import bench_echo
import bench_gaps
import bench_latency
import bench_process
from bench_talkers import Compared
from pulseaudio import ORDINARY, UnavailableError
from soundcard import VirtualSoundCard, pipewire_sound_card, virtual_sound_card

FRAME_BY_FRAME = ("busy", "late")  # are these looked at
SWITCH_S = 0.0005  # a thread that notes an arrival need not wait Python's 5 ms for another one
ROUNDS = 15

PORTAUDIO = "import sounddevice; print(sounddevice.get_portaudio_version()[1])"

Measure = Callable[[VirtualSoundCard, int], Compared]


@dataclass(frozen=True)
class Row:
    """One line of the table: the key of its figures, and how they are shown."""

    key: str
    text: str
    unit: str = "ms"
    digits: int = 1


GROUPS: dict[str, tuple[Measure, list[Row]]] = {
    "latency": (
        bench_latency.replies,
        [
            Row("first", "first audio delta -> sound: first reply"),
            Row("after_end", "... after a reply that was heard out"),
            Row("after_cut", "... after a reply that was cut off"),
            Row("silence", "speech_started -> silence"),
        ],
    ),
    "microphone": (
        bench_latency.microphone,
        [Row("microphone", "sound at the microphone -> service")],
    ),
    "echo": (
        bench_echo.echo,
        [
            Row("echo", "echo behind the client's reference"),
            Row("echo_shake", "echo, away from its median", digits=2),
        ],
    ),
    "busy": (
        bench_gaps.busy,
        [
            Row("busy_holes", "all cores busy, 5 s at once: holes", "", 0),
            Row("busy_silence", "... silence in them"),
            Row("busy_lost", "... sound that is missing"),
        ],
    ),
    "late": (
        bench_gaps.late,
        [
            Row("late_silence", "late bursts: silence beyond what was late"),
            Row("late_lost", "... sound that is missing"),
        ],
    ),
    "start": (
        bench_process.start,
        [Row("start", "process start -> microphone at the service", digits=0)],
    ),
    "help": (bench_process.show_help, [Row("help", "--help", digits=0)]),
    "conversation": (
        bench_process.conversation,
        [
            Row("cpu", "conversation: CPU, of one core", "%"),
            Row("memory", "... resident memory", "MiB"),
        ],
    ),
    "burst": (
        bench_process.burst,
        [
            Row("burst_memory", "10 min of speech at once (28.8 MB): memory", "MB"),
            Row("burst_silence", "... speech_started -> silence"),
        ],
    ),
}


def main() -> int:
    """Measure and print; the figures do not change the exit code."""
    parser = argparse.ArgumentParser(description="Measures the client on a virtual sound card.")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of each latency (default: %(default)s)")
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=list(GROUPS), help="of the rows")
    parser.add_argument("--pipewire", action="store_true", help="on PipeWire, not PulseAudio")
    options = parser.parse_args()
    if sys.platform != "linux":
        return refuse("The bench needs PulseAudio's virtual sound card, and that needs Linux.")
    sys.setswitchinterval(SWITCH_S)
    try:
        with ExitStack() as stack:
            ordinary = pipewire_sound_card() if options.pipewire else virtual_sound_card(ORDINARY)
            card, exact = stack.enter_context(ordinary), stack.enter_context(virtual_sound_card())
            print(f"{machine(card)}\n")
            for line in table(card, exact, options.only, max(1, options.rounds)):
                print(line, flush=True)
    except UnavailableError as reason:
        return refuse(f"The bench has no virtual sound card: {reason}")
    except KeyboardInterrupt:
        return 130
    return 0


def refuse(reason: str) -> int:
    print(reason, file=sys.stderr)
    return 1


def machine(card: VirtualSoundCard) -> str:
    """When and where this is measured."""

    def said(*command: str) -> str:
        done = subprocess.run(command, env=card.environment, capture_output=True, text=True, check=True)
        return done.stdout.partition(",")[0].strip()

    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return "; ".join(
        [
            str(datetime.date.today()),
            f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores",
            platform.freedesktop_os_release()["PRETTY_NAME"],
            f"Python {platform.python_version()}",
            said(sys.executable, "-c", PORTAUDIO),
            said("pulseaudio", "--version") if "PIPEWIRE_RUNTIME_DIR" not in card.environment else "PipeWire",
        ]
    )


def table(
    card: VirtualSoundCard, exact: VirtualSoundCard, groups: Sequence[str], rounds: int
) -> Iterator[str]:
    """The table in Markdown, line by line as it is measured; holes on the card that resamples nothing."""
    yield f"| {'':44} | unit |  median |   worst |   floor |   worst | quickstart |   worst |"
    yield f"|{'-' * 46}|------|{('-' * 8 + ':|') * 4}-----------:|--------:|"
    for group in groups:
        measure, rows = GROUPS[group]
        try:
            figures = measure(exact if group in FRAME_BY_FRAME else card, rounds)
        except (TimeoutError, subprocess.TimeoutExpired) as reason:
            yield f"| {group:44} | not measured: {reason}"
            continue
        for row in rows:
            yield line(row, [by_key.get(row.key, []) for by_key in figures])


def line(row: Row, figures: Sequence[Sequence[float]]) -> str:
    """One row: median and worst of the client, of the floor, and of the quickstart where it was measured."""
    cells = [f"| {row.text:44} | {row.unit:4}"]
    for one, width in zip([*figures, []][:3], (7, 7, 10), strict=True):
        for told in (statistics.median(one), max(one)) if one else ():
            cells.append(f"{told:{width}.{row.digits}f}")
            width = 7
        if not one:
            cells += [f"{'-':>{width}}", f"{'-':>7}"]
    return " | ".join(cells) + " |"


if __name__ == "__main__":
    sys.exit(main())
