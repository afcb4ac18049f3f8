"""What the tests with the stand-in share: stand-ins, and a question for them."""

import wave
from collections.abc import Iterator
from pathlib import Path

import pytest
from program import SAMPLE

from standin.server import StandIn


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
def sound(question: str, logs: Path) -> tuple[str, ...]:
    """The options that take the question for the microphone, and a file for the speaker."""
    return "--input", question, "--output", str(logs / "heard.wav")
