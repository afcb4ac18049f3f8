"""Talk to an agent in Azure AI Foundry through the Voice Live API.

     microphone ──20 ms blocks──► Uplink ──append──► Connection ══ WebSocket ══► Voice Live
     (or a WAV file)                ▲ what was played                            │
     speaker    ◄── play / interrupt ──┐                                         ▼ events
     (or a WAV file)                   ├── Conversation.handle(event) ◄── for event in connection
     transcript ◄── what was said ─────┘

Reading order, along the sound:

    settings      where every value comes from: flag, shell, .env, default
    options       what a command is given besides
    auth          who we are and where the agent lives: tokens, headers, URL
    audio         PCM16, 24 kHz, mono, and the account of what was heard
    devices       which sound cards there are, and a stream on one
    soundcard     the microphone and the speaker, and who looks after both
    wav           WAV files in place of either
    echo          what was played while the microphone heard a block
    uplink        from the microphone to the connection
    connection    one WebSocket that speaks dicts
    tls           its TLS: whom it trusts, and how two threads share it
    session       the session that the service is asked for, and what it is told in it
    conversation  what the events mean, and what is answered
    transcript    what was said, in the order in which it was said
    turns         who spoke when, how soon the answer was heard, who was cut off
    recording     sound and turns, in two files
    screen        the terminal: one line at a time
    terminal      the keyboard, and what a terminal can show
    prompt        the part of a terminal that stays in place
    logs          the two files of a run, and what never gets into them
    failures      what went wrong, why, and what to type next
    call          one conversation over as many connections as it takes
    host          what a person sees and types while it lasts
    dial          what a run is to be, and how it reaches the service
    talk          the one place where the parts meet, and where a run ends
    cli           from the command line to a conversation
    commands      the commands that serve both kinds of project
    check         what is missing before one can talk

What the service does is cited by where it is told: [reference], [how-to], [agents] and [classic] are
Microsoft's pages voice-live-api-reference-2026-07-15, voice-live-how-to, how-to-voice-agent-integration and
voice-live-agents-quickstart-classic, below https://learn.microsoft.com/azure/ai-services/speech-service/;
[SDK] is the Python package azure-ai-voicelive 1.3.1; [reports] are those of other people who met it.
"""

from dataclasses import dataclass

__version__ = "1.0.0"

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_NO_ACCESS = 4


@dataclass(eq=False)
class VoiceLiveError(Exception):
    """A failure that a person can mend."""

    message: str
    """What happened, and why."""
    remedy: str = ""
    """What to do about it."""
    exit_code: int = EXIT_FAILED
    """Of the process: EXIT_FAILED, EXIT_USAGE (a setting, option, file or device) or EXIT_NO_ACCESS."""
    passing: bool = False
    """It may heal by itself: a conversation under way tries again."""
    retry_after_s: float | None = None
    """The service asks to try again, after so many seconds at least."""

    def __str__(self) -> str:
        return self.message
