"""What the tests share: the virtual sound card, and CI's rule that its tests are never skipped."""

import os
from collections.abc import Generator, Iterator

import pytest
from soundcard import UnavailableError, VirtualSoundCard, virtual_sound_card


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
