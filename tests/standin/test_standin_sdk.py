"""The official SDK holds a conversation with the stand-in, as with the service."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any

import pytest
from azure.ai.voicelive.aio import ConnectionError as RefusedByServer
from azure.ai.voicelive.aio import VoiceLiveConnection, connect
from azure.ai.voicelive.models import (
    AudioEchoCancellation,
    AudioInputTranscriptionOptions,
    AudioNoiseReduction,
    AzureSemanticDetection,
    AzureSemanticVad,
    AzureStandardVoice,
    InputAudioFormat,
    InputTextContentPart,
    Modality,
    OutputAudioFormat,
    RequestSession,
    ServerEvent,
    UserMessageItem,
)
from azure.core.credentials import AccessToken, AzureKeyCredential
from standin_client import MS, sample, silence

from standin.server import StandIn

NAMED = {"agent_name": "agent", "project_name": "project"}
CLASSIC = {
    "agent-id": "asst_1",
    "agent-project-name": "project",
    "agent-access-token": "made-up",
}


class MadeUpToken:
    """A credential without Azure."""

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        return AccessToken("made-up", int(time.time()) + 3600)

    async def close(self) -> None: ...

    async def __aenter__(self) -> "MadeUpToken":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None: ...


def session() -> RequestSession:
    """A session as the SDK's samples set it up for an agent."""
    return RequestSession(
        modalities=[Modality.TEXT, Modality.AUDIO],
        voice=AzureStandardVoice(name="en-US-Ava:DragonHDLatestNeural", temperature=0.8),
        input_audio_format=InputAudioFormat.PCM16,
        output_audio_format=OutputAudioFormat.PCM16,
        turn_detection=AzureSemanticVad(
            threshold=0.3,
            prefix_padding_ms=200,
            silence_duration_ms=200,
            remove_filler_words=False,
            end_of_utterance_detection=AzureSemanticDetection(timeout_ms=1000),
        ),
        input_audio_transcription=AudioInputTranscriptionOptions(model="azure-speech"),
        input_audio_noise_reduction=AudioNoiseReduction(type="azure_deep_noise_suppression"),
        input_audio_echo_cancellation=AudioEchoCancellation(),
    )


async def until(connection: VoiceLiveConnection, kind: str) -> list[Any]:
    """All events up to the next one of this type; each of a type that the SDK knows."""
    events: list[Any] = []
    while not events or events[-1].type != kind:
        events.append(await connection.recv())
        assert type(events[-1]) is not ServerEvent, events[-1]
    return events


async def say(connection: VoiceLiveConnection, pcm: bytes) -> None:
    for begin in range(0, len(pcm), 50 * MS):
        audio = base64.b64encode(pcm[begin : begin + 50 * MS]).decode()
        await connection.input_audio_buffer.append(audio=audio)


@asynccontextmanager
async def talking(stand_in: StandIn, **agent: Any) -> AsyncIterator[VoiceLiveConnection]:
    """A connection whose session is configured."""
    options = agent or NAMED
    async with connect(endpoint=stand_in.endpoint, credential=MadeUpToken(), **options) as connection:
        await until(connection, "session.created")
        await connection.session.update(session=session())
        await until(connection, "session.updated")
        yield connection


def in_time(conversation: Callable[[], Awaitable[None]]) -> None:
    """Run a conversation, for 20 s at most."""

    async def run() -> None:
        await asyncio.wait_for(conversation(), 20)

    asyncio.run(run())


@pytest.mark.parametrize(
    "agent",
    [{}, {"api_version": "2025-10-01", "query": CLASSIC}],
    ids=["named", "classic"],
)
def test_the_sdk_is_answered(hasty: StandIn, agent: dict[str, Any]) -> None:
    async def conversation() -> None:
        async with talking(hasty, **agent) as connection:
            await say(connection, sample() + silence(700))
            turn = await until(connection, "response.done")
            await connection.conversation.item.create(
                item=UserMessageItem(content=[InputTextContentPart(text="Hello")])
            )
            await connection.response.create()
            typed = await until(connection, "response.done")

        transcript = next(e for e in turn if e.type == "response.audio_transcript.done")
        spoken = b"".join(e.delta for e in turn if e.type == "response.audio.delta")
        assert transcript["transcript"].startswith("You spoke for 3.5 s")
        assert sample().startswith(spoken[: 3500 * MS])
        assert turn[-1].response.status == "completed"
        assert b"".join(e.delta for e in typed if e.type == "response.audio.delta") == sample()

    in_time(conversation)


def test_the_sdk_interrupts_and_truncates(calm: StandIn) -> None:
    async def conversation() -> None:
        async with talking(calm) as connection:
            await say(connection, sample() + silence(700))
            answer = await until(connection, "response.audio.delta")
            await say(connection, sample())
            interrupted = await until(connection, "response.done")
            await connection.conversation.item.truncate(
                item_id=answer[-1].item_id, content_index=0, audio_end_ms=20
            )
            truncated = await until(connection, "conversation.item.truncated")

        assert "input_audio_buffer.speech_started" in [event.type for event in interrupted]
        assert interrupted[-1].response.status == "cancelled"
        assert interrupted[-1].response.status_details.reason == "turn_detected"
        assert truncated[-1].audio_end_ms == 20

    in_time(conversation)


def test_the_sdk_cancels_a_response(calm: StandIn) -> None:
    async def conversation() -> None:
        async with talking(calm) as connection:
            await connection.response.create()
            await until(connection, "response.audio.delta")
            await connection.response.cancel()
            cancelled = await until(connection, "response.done")
            await connection.response.cancel()
            nothing = await until(connection, "error")

        assert cancelled[-1].response.status == "cancelled"
        assert nothing[-1].error.code == "response_cancel_not_active"

    in_time(conversation)


@pytest.mark.parametrize(
    ("agent", "message"),
    [
        (
            {"query": CLASSIC},
            "Classic foundry agent is not supported in API version 2026-04-10 and above",
        ),
        (
            {"credential": AzureKeyCredential("made-up"), **NAMED},
            "Key authentication is not supported in Agent mode",
        ),
        (
            {"query": {"agent-id": "asst_1"}, "api_version": "2025-10-01"},
            "Missing required agent connection string or project name",
        ),
    ],
    ids=["classic", "key", "project"],
)
def test_the_sdk_is_refused_after_the_upgrade(hasty: StandIn, agent: dict[str, Any], message: str) -> None:
    async def conversation() -> None:
        options = {"credential": MadeUpToken(), **agent}
        async with connect(endpoint=hasty.endpoint, **options) as connection:
            events = await until(connection, "error")
            later = [event async for event in connection]

        assert [event.error.message for event in events] == [message]
        assert later == []

    in_time(conversation)


def test_the_sdk_is_refused_before_the_upgrade(hasty: StandIn) -> None:
    async def conversation() -> None:
        with pytest.raises(RefusedByServer, match="400"):
            async with connect(
                endpoint=hasty.endpoint,
                credential=MadeUpToken(),
                api_version="2024-01-01",
                model="any",
            ):
                pass

    in_time(conversation)


def test_the_sdk_is_refused_what_belongs_to_the_agent(hasty: StandIn) -> None:
    async def conversation() -> None:
        async with talking(hasty) as connection:
            await connection.session.update(session=RequestSession(instructions="Be brief."))
            refused = await until(connection, "error")
            await connection.response.create()
            await until(connection, "response.done")

        assert refused[-1].error.code == "instructions_configuration_not_supported"

    in_time(conversation)
