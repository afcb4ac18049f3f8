"""Failures in words, where no real one can be had on every machine."""

import pytest

from voicelive.failures import in_words, no_device, silent_microphone

# As python-sounddevice words them.
NO_DEVICE = "Error querying device -1"
BUSY = "Error opening RawInputStream: Device unavailable [PaErrorCode -9985]"
ODD = "Error opening RawInputStream: Internal PortAudio error [PaErrorCode -9986]"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NO_DEVICE, "There is no microphone.\nPlug one in, or close the program that uses it."),
        (BUSY, "The microphone is in use by another program.\nClose that program."),
        (ODD, f"The microphone cannot be opened: {ODD}."),
    ],
)
def test_a_device_that_does_not_open_is_explained(error: str, said: str) -> None:
    told = in_words(no_device("microphone", Exception(error)))

    assert told.startswith(said)
    assert "--" not in told, "who calls the library has no options"


@pytest.mark.parametrize(
    ("system", "said"), [("linux", "Is it muted?"), ("darwin", "System Settings"), ("win32", "desktop apps")]
)
def test_a_silent_microphone_is_looked_for_where_the_system_has_its_settings(
    monkeypatch: pytest.MonkeyPatch, system: str, said: str
) -> None:
    monkeypatch.setattr("sys.platform", system)

    told = silent_microphone().remedy
    assert told.startswith("Is it muted?") and said in told
    assert ("allowed" in told) == (system != "linux")
