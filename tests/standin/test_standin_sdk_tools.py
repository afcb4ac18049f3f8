"""Clients in the manner of the official SDK's samples and live tests: agents, functions, remote tools, sound.

Written anew from what those do; what needs speech to be understood is left out.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from azure.ai.voicelive.aio import VoiceLiveConnection, connect
from azure.ai.voicelive.models import (
    AzureStandardVoice,
    FunctionCallOutputItem,
    FunctionTool,
    InputTextContentPart,
    ItemType,
    LlmInterimResponseConfig,
    MCPApprovalResponseRequestItem,
    MCPServer,
    Modality,
    RequestSession,
    ResponseFunctionCallItem,
    ResponseMCPApprovalRequestItem,
    ResponseMCPCallItem,
    ResponseStatus,
    ServerVad,
    ToolChoiceFunctionSelection,
    UserMessageItem,
)
from azure.core.credentials import AzureKeyCredential
from standin_client import sample, silence
from test_standin_sdk import MadeUpToken, in_time, say, until

from standin.server import StandIn

VERSIONS = ["2025-10-01", "2026-07-15"]
TOOL = FunctionTool(
    name="get_weather",
    description="The weather in a place.",
    parameters={"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]},
)


@asynccontextmanager
async def model(
    stand_in: StandIn, name: str = "gpt-4.1", api_version: str = "2026-07-15", **session: Any
) -> AsyncIterator[VoiceLiveConnection]:
    """A connection to a model with a key, its session sent before anything was received."""
    async with connect(
        endpoint=stand_in.endpoint,
        credential=AzureKeyCredential("made-up"),
        model=name,
        api_version=api_version,
    ) as connection:
        await connection.session.update(session=RequestSession(**session))
        await until(connection, "session.updated")
        yield connection


async def type_in(connection: VoiceLiveConnection, text: str) -> None:
    item = UserMessageItem(content=[InputTextContentPart(text=text)])
    await connection.conversation.item.create(item=item)
    await connection.response.create()


def test_an_agent_of_today_shows_its_voice_and_greets(hasty: StandIn) -> None:
    """As the sample for agents: the agent's own voice is left to it, the answer may take its time."""

    async def conversation() -> None:
        async with connect(
            endpoint=hasty.endpoint,
            credential=MadeUpToken(),
            agent_name="agent",
            project_name="project",
            agent_version="3",
        ) as connection:
            session = RequestSession(
                modalities=[Modality.TEXT, Modality.AUDIO],
                interim_response=LlmInterimResponseConfig(
                    triggers=["tool", "latency"], latency_threshold_ms=100
                ),
            )
            await connection.session.update(session=session)
            updated = (await until(connection, "session.updated"))[-1].session
            await connection.response.create()
            greeting = (await until(connection, "response.done"))[-1].response

        assert updated.voice["name"] == "en-US-AvaNeural"
        assert updated.voice["temperature"] is None
        assert updated.voice["rate"] is None
        assert updated.turn_detection.type == "server_vad"
        assert updated.turn_detection["silence_duration_ms"] == 500
        assert updated.agent.agent_id == "agent:3"
        assert updated.expires_at is not None
        assert greeting.usage.output_token_details.audio_tokens > 0
        assert greeting.usage.input_token_details.cached_tokens_details.text_tokens == 0

    in_time(conversation)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("spoken", [False, True])
def test_a_function_is_called_and_its_output_told(hasty: StandIn, version: str, spoken: bool) -> None:
    async def conversation() -> None:
        detection = ServerVad(threshold=0.5, prefix_padding_ms=300, silence_duration_ms=200)
        async with model(hasty, api_version=version, tools=[TOOL], turn_detection=detection) as connection:
            if spoken:
                await say(connection, sample() + silence(700))
            else:
                await type_in(connection, "How is the weather in Beijing?")
            events = await until(connection, "response.function_call_arguments.done")
            created = next(
                event
                for event in events
                if event.type == "conversation.item.created" and event.item.type == ItemType.FUNCTION_CALL
            )
            await until(connection, "response.done")
            output = FunctionCallOutputItem(
                call_id=created.item.call_id, output=json.dumps({"weather": "sunny", "temp_c": 25})
            )
            await connection.conversation.item.create(previous_item_id=created.item.id, item=output)
            await connection.response.create()
            answer = await until(connection, "response.done")

        assert isinstance(created.item, ResponseFunctionCallItem)
        place = "Berlin" if spoken else "Beijing"
        assert (events[-1].name, json.loads(events[-1].arguments)) == ("get_weather", {"location": place})
        words = answer[-1].response.output[0].content[0].transcript
        assert "sunny" in words
        assert "25" in words

    in_time(conversation)


def test_the_function_that_is_chosen_is_called(hasty: StandIn) -> None:
    async def conversation() -> None:
        other = FunctionTool(name="get_time", parameters=TOOL.parameters)
        choice = ToolChoiceFunctionSelection(name="get_time")
        async with model(hasty, tools=[TOOL, other], tool_choice=choice) as connection:
            await type_in(connection, "Hello")
            events = await until(connection, "response.function_call_arguments.done")

        assert events[-1].name == "get_time"

    in_time(conversation)


@pytest.mark.parametrize("approve", [True, False])
def test_a_remote_tool_is_approved_or_denied(approve: bool) -> None:
    async def conversation() -> None:
        with StandIn(pace=1000, faults=["mcp-approval"]) as stand_in:
            server = MCPServer(server_label="azure_doc", server_url="https://example.org/mcp")
            async with model(stand_in, "gpt-realtime", tools=[server]) as connection:
                await until(connection, "mcp_list_tools.completed")
                await type_in(connection, "Look it up")
                events = await until(connection, "response.done")
                asked = next(
                    event.item
                    for event in events
                    if event.type == "conversation.item.created"
                    and event.item.type == ItemType.MCP_APPROVAL_REQUEST
                )
                verdict = MCPApprovalResponseRequestItem(approval_request_id=asked.id, approve=approve)
                await connection.conversation.item.create(item=verdict)
                done = await until(connection, "response.output_item.done") if approve else []
                await connection.response.create()
                answer = (await until(connection, "response.done"))[-1].response

        assert isinstance(asked, ResponseMCPApprovalRequestItem)
        assert (asked.server_label, json.loads(asked.arguments or "")) == (
            "azure_doc",
            {"query": "voice live"},
        )
        if approve:
            assert isinstance(done[-1].item, ResponseMCPCallItem)
            assert done[-1].item.output
        assert answer.status == ResponseStatus.COMPLETED

    in_time(conversation)


@pytest.mark.parametrize(
    "output_format", ["pcm16", "pcm16_8000hz", "pcm16_44100hz", "g711_ulaw", "g711_alaw"]
)
def test_each_format_of_sound_is_spoken(hasty: StandIn, output_format: str) -> None:
    async def conversation() -> None:
        voice = AzureStandardVoice(name="en-US-AvaMultilingualNeural", rate="1.2", style="cheerful")
        async with model(hasty, output_audio_format=output_format, voice=voice) as connection:
            await connection.response.create()
            events = await until(connection, "response.done")

        heard = b"".join(event.delta for event in events if event.type == "response.audio.delta")
        assert len(heard) > 3 * 8000
        assert events[-1].response.output_audio_format == output_format

    in_time(conversation)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["gpt-realtime", "gpt-4o", "phi4-mm-realtime"])
def test_without_turn_detection_nothing_is_said_unasked(hasty: StandIn, version: str, name: str) -> None:
    async def conversation() -> None:
        async with model(hasty, name, version, turn_detection=None) as connection:
            await say(connection, sample() + silence(2000))
            await connection.input_audio_buffer.commit()
            committed = await until(connection, "conversation.item.created")
            await connection.input_audio_buffer.clear()
            unasked = await until(connection, "input_audio_buffer.cleared")
            await connection.response.create()
            answer = await until(connection, "response.done")

        assert committed[0].type == "input_audio_buffer.committed"
        assert len(unasked) == 1
        assert any(event.type == "response.audio.delta" for event in answer)

    in_time(conversation)


@pytest.mark.parametrize("version", VERSIONS)
def test_items_are_retrieved_truncated_and_deleted(hasty: StandIn, version: str) -> None:
    async def conversation() -> None:
        async with model(hasty, "gpt-realtime", version, voice="alloy") as connection:
            await say(connection, sample() + silence(700))
            item = (await until(connection, "response.output_item.done"))[-1].item
            await connection.conversation.item.retrieve(item_id=item.id)
            retrieved = (await until(connection, "conversation.item.retrieved"))[-1].item
            await connection.conversation.item.truncate(item_id=item.id, content_index=0, audio_end_ms=1000)
            truncated = (await until(connection, "conversation.item.truncated"))[-1]
            await connection.conversation.item.delete(item_id=item.id)
            deleted = (await until(connection, "conversation.item.deleted"))[-1]

        assert (retrieved.role, retrieved.content[0].type) == ("assistant", "audio")
        assert truncated.item_id == deleted.item_id == item.id

    in_time(conversation)
