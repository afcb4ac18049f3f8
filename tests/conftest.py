"""What the tests share: the virtual sound card, and CI's rule that its tests are never skipped."""

import os
import signal
import wave
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from program import SAMPLE
from pulseaudio import UnavailableError
from soundcard import VirtualSoundCard, virtual_sound_card

from standin.server import StandIn


@pytest.fixture(scope="session", autouse=True)
def ctrl_c() -> None:
    """Let the programs under test obey Ctrl-C, also where a shell runs the tests in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def running_sound_card() -> Iterator[VirtualSoundCard]:
    """One daemon for all tests: they use `sound_card`."""
    try:
        with virtual_sound_card() as card:
            yield card
    except UnavailableError as reason:
        pytest.skip(str(reason))


@pytest.fixture
def sound_card(running_sound_card: VirtualSoundCard) -> Iterator[VirtualSoundCard]:
    """The virtual sound card; what a test started on it ends with the test."""
    yield running_sound_card
    running_sound_card.hush()


@pytest.fixture(scope="session")
def stand_in() -> Iterator[StandIn]:
    with StandIn() as running:
        yield running


@pytest.fixture(scope="session")
def hasty() -> Iterator[StandIn]:
    """A stand-in that sends a whole answer at once."""
    with StandIn(pace=1000) as running:
        yield running


@pytest.fixture(scope="session")
def calm() -> Iterator[StandIn]:
    """A stand-in that takes its time, so that it can be interrupted."""
    with StandIn(pace=1) as running:
        yield running


@pytest.fixture(scope="session")
def question(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The first word of the sample, as a WAV file: a whole conversation about it takes five seconds."""
    path = tmp_path_factory.mktemp("question") / "question.wav"
    with wave.open(str(SAMPLE)) as sample, wave.open(str(path), "wb") as file:
        file.setparams(sample.getparams())
        file.writeframes(sample.readframes(24_000))
    return str(path)


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder


@pytest.fixture
def sound(question: str, logs: Path) -> tuple[str, ...]:
    """The options that take the question for the microphone, and a file for the speaker."""
    return "--input", question, "--output", str(logs / "heard.wav")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Try a sound-card test three times: a sound server that is starved loses sound now and then, a client
    that is at fault does so each time."""
    for item in items:
        if item.get_closest_marker("soundcard"):
            item.add_marker(pytest.mark.flaky(reruns=2))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With VOICELIVE_NO_SKIP set, a sound-card test that was skipped has failed."""
    report = yield
    forbidden = os.environ.get("VOICELIVE_NO_SKIP") and item.get_closest_marker("soundcard")
    if report.skipped and forbidden and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which VOICELIVE_NO_SKIP forbids: {report.longrepr}"
    return report
