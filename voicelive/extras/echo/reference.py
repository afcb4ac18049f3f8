"""What was played goes along with the microphone's sound, as a second channel."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from voicelive.session import ECHO, Message, Offer

if TYPE_CHECKING:  # and late below: signing in need not wait for numpy
    from voicelive.app.played import Played

LEAD_S = 0.005  # what was played comes this much early, because an echo must be later
FIELDS: Message = {  # of the session [how-to]
    "input_audio_echo_cancellation": {
        "type": "server_echo_cancellation",
        "reference_source": "client",
        "channels": 2,
    }
}
CODES = ("invalid_ec_", "change_in_ec_channels_not_allowed")  # of the errors that refuse it


class Reference(Offer):
    """The client's echo reference, while the session asks for it."""

    name = "the client's echo reference"

    def __init__(self) -> None:
        self._is_on = True

    @property
    def feature(self) -> str:
        return "client_ec_reference:true" if self._is_on else ""

    @property
    def channels(self) -> int:
        return 2 if self._is_on else 1

    def is_refusal(self, code: str) -> bool:
        return self._is_on and code.startswith(CODES)

    def left_out_of(self, message: Message) -> Message:
        return {**message, "session": {**message["session"], **ECHO["server"]}}

    def asked_with(self, message: Message) -> None:
        self._is_on = is_asked_for(message)

    def beside(self, played: "Played", blocks: Iterator[bytes]) -> Iterator[bytes]:
        """A stage behind `played`: both in stereo."""
        from voicelive.app.played import interleaved

        for block in blocks:
            yield interleaved(block, played.during(LEAD_S)) if self._is_on else block


def is_asked_for(message: Message) -> bool:
    """Whether the session of this session.update takes what the loudspeaker plays as a second channel."""
    match message["session"].get("input_audio_echo_cancellation"):
        case {"reference_source": "client"}:
            return True
    return False
