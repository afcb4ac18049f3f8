"""A plain client with the stream parameters and the manners of Microsoft's quickstart: what many start from.

The microphone in the default block size, read every millisecond by polling, in pieces of 20 ms; the speaker
in blocks of 100 ms, started at the first audio delta and stopped where the user speaks up. Written for the
bench.
"""

import base64
import json
import sys
import threading
import time
import uuid
from typing import Any

import numpy as np
import sounddevice
import websocket

RATE = 24_000
PIECE_FRAMES = RATE // 50
OUTPUT_FRAMES = RATE // 10
SCOPE = "https://ai.azure.com/.default"
SESSION = {
    "turn_detection": {"type": "azure_semantic_vad"},
    "voice": {"name": "en-US-Ava:DragonHDLatestNeural", "type": "azure-standard"},
}


class Player:
    """A stream that runs from the first sound of an answer until the user speaks up."""

    def __init__(self) -> None:
        self._waiting = np.array([], dtype=np.int16)
        self._lock = threading.Lock()  # guards it
        self._playing = False
        self._stream = sounddevice.OutputStream(
            callback=self._fill, samplerate=RATE, channels=1, dtype=np.int16, blocksize=OUTPUT_FRAMES
        )

    def add(self, pcm: bytes) -> None:
        with self._lock:
            self._waiting = np.concatenate([self._waiting, np.frombuffer(pcm, dtype=np.int16)])
            if not self._playing:
                self._playing = True
                self._stream.start()

    def stop(self) -> None:
        with self._lock:
            self._waiting = np.array([], dtype=np.int16)
            self._playing = False
        self._stream.stop()

    def _fill(self, out: Any, frames: int, when: Any, status: Any) -> None:
        with self._lock:
            part, self._waiting = self._waiting[:frames], self._waiting[frames:]
        out[: len(part), 0] = part
        out[len(part) :, 0] = 0


def main() -> None:
    """Talk to the endpoint that is the one argument, until it ends the connection."""
    endpoint = sys.argv[1]
    headers = {"x-ms-client-request-id": str(uuid.uuid4())}
    if endpoint.startswith("https"):
        from azure.identity import DefaultAzureCredential

        headers["Authorization"] = f"Bearer {DefaultAzureCredential().get_token(SCOPE).token}"
    url = f"{endpoint.replace('http', 'ws', 1)}/voice-live/realtime?api-version=2026-07-15"
    connection = websocket.create_connection(url, header=headers, redirect_limit=0)
    connection.send(json.dumps({"type": "session.update", "session": SESSION}))
    threading.Thread(target=listen, args=(connection,), daemon=True).start()
    player = Player()
    while message := connection.recv():
        match json.loads(message):
            case {"type": "response.audio.delta", "delta": delta}:
                player.add(base64.b64decode(delta))
            case {"type": "input_audio_buffer.speech_started"}:
                player.stop()


def listen(connection: websocket.WebSocket) -> None:
    """Send what the microphone hears."""
    with sounddevice.InputStream(channels=1, samplerate=RATE, dtype=np.int16) as stream:
        while True:
            if stream.read_available >= PIECE_FRAMES:
                data, _ = stream.read(PIECE_FRAMES)
                audio = base64.b64encode(data).decode()
                connection.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
            else:
                time.sleep(0.001)


if __name__ == "__main__":
    main()
