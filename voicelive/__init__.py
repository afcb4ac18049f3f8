"""Talk to an agent in Azure AI Foundry through the Voice Live API.

     microphone ──blocks──► stages ──► Uplink ──append──► Connection ══ WebSocket ══► Voice Live
     (or a WAV file)          ▲ what was played                           │
     speaker    ◄── play / interrupt ──┐                                  ▼ events
     (or a WAV file)                   ├── Conversation.handle(event) ◄── for event in connection
     transcript ◄── what was said ─────┘

The core, in the order of the sound; `app` is how a person runs it, `extras` is what you can leave out:

    errors        a failure, with its remedy and its exit code
    text          what may be shown: nothing that moves a cursor, and no secret
    files         new files, for their owner only
    auth          who we are: tokens and headers
    service       where the agent lives: which agent, where the service answers, the URL
    audio         PCM16, 24 kHz, mono: what a source is, and how other formats become it
    devices       sound cards: which there are, and which one is meant
    soundcard     the microphone and the speaker, each a stream that can be opened again
    wav           WAV files in place of either
    uplink        from the microphone to the connection
    connection    one WebSocket that speaks dicts
    handshake     the way to the service: proxy, addresses, TLS, up to HTTP 101; and its limits
    tls           its TLS: whom it trusts, and how two threads share it
    session       the session that we ask for, and the messages in it
    conversation  what the events mean, and what is answered
    toolcalls     what the agent does besides speaking
    playback      the agent's sound on its way out, and the account of what was really heard
    transcript    what was said, in the order in which it was said
    turns         who spoke when, how soon the answer was heard, who was cut off
    reconnect     one conversation over as many connections as it takes
    library       one call that holds a conversation, for your own programs
    failures      what went wrong, why, and what to type next

Statements about the service name their source: [reference], [how-to], [agents] and [classic] are
Microsoft's pages voice-live-api-reference-2026-07-15, voice-live-how-to, how-to-voice-agent-integration and
voice-live-agents-quickstart-classic, below https://learn.microsoft.com/azure/ai-services/speech-service/;
[SDK] is the Python package azure-ai-voicelive 1.3.1; [reports] are by people who have seen it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from voicelive.audio import Source as Source
    from voicelive.errors import VoiceLiveError as VoiceLiveError
    from voicelive.library import hold as hold
    from voicelive.playback import Playback as Playback
    from voicelive.service import AgentTarget as AgentTarget
    from voicelive.soundcard import Microphone as Microphone
    from voicelive.soundcard import Speaker as Speaker
    from voicelive.turns import Turn as Turn
    from voicelive.wav import WavSink as WavSink
    from voicelive.wav import WavSource as WavSource

__version__ = "1.0.0"

_HOMES = {  # of what is offered; imported when it is asked for, or --version would wait for numpy
    "AgentTarget": "service",
    "Microphone": "soundcard",
    "Playback": "playback",
    "Source": "audio",
    "Speaker": "soundcard",
    "Turn": "turns",
    "VoiceLiveError": "errors",
    "WavSink": "wav",
    "WavSource": "wav",
    "hold": "library",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"voicelive.{_HOMES[name]}"), name)
