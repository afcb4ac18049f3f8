"""Failures in words, where no real one can be had on every machine."""

import pytest

from voicelive.failures import in_words, no_device

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
    assert "`--input FILE.wav`" in told
