"""What the tests share: the virtual sound card, and CI's rule that its tests are never skipped."""

import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from pulseaudio import UnavailableError
from soundcard import VirtualSoundCard, virtual_sound_card

pytest_plugins: list[str] = [  # fixtures of a room
    "tests.standin.fixtures",
]


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


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Try a sound-card test three times: a sound server that is starved loses sound now and then, a client
    that is at fault does so each time."""
    for item in items:
        if item.get_closest_marker("soundcard"):
            item.add_marker(pytest.mark.flaky(reruns=2))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which tests passed, if they did, by being tried again: how often is for people to judge."""
    again = {report.nodeid: report for report in terminalreporter.stats.get("rerun", [])}
    for kind, is_sound in (("Sound-card tests", True), ("Other tests", False)):
        names = [name for name, report in again.items() if ("soundcard" in report.keywords) == is_sound]
        if names:
            terminalreporter.write_line(f"{kind} that needed a second try ({len(names)}): {', '.join(names)}")


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
