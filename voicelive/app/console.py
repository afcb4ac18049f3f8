"""What a person sees and types while the conversation lasts, and what is told at its end."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from voicelive import failures
from voicelive.app.screen import MakePrompt, Screen
from voicelive.app.terminal import (
    KEYS,
    LIVE_KEYS,
    PUSH_KEYS,
    forget_typed,
    is_terminal,
    level,
    watch_keyboard,
)
from voicelive.reconnect import NO_ANSWER_S, Link
from voicelive.soundcard import Microphone, Stream
from voicelive.text import printable
from voicelive.toolcalls import Activity
from voicelive.turns import Usage
from voicelive.uplink import Meter, Mute

REPEAT_S = 0.05  # a key that is held down repeats itself so soon
LOOK_S = 0.1  # between two looks whether a line from a pipe may be taken
PATIENCE_S = 1.0  # of silent work of the agent, before the person is told
THINKING = "thinking"
HEARS_ITSELF = (
    "The agent seems to hear itself through the microphone: use a headset, turn the loudspeaker "
    "down, or try --echo-cancellation client."
)


@dataclass
class Console:
    """What a person sees of a conversation, and does about it, on the main thread until it is over."""

    link: Link
    screen: Screen
    meter: Meter
    muting: Mute
    streams: Sequence[Stream] = ()  # of sound cards
    types_only: bool = False  # the run ends with what is typed
    make_prompt: MakePrompt | None = None  # where the terminal can have one

    def __post_init__(self) -> None:
        self._conversation = self.link.conversation
        self._began = time.monotonic()
        self._hints = set[str]()  # that were given
        self._openings = 0  # of the microphone, when it was looked at last
        self._told: Activity | None = None  # what was said to take long
        self._awaits_answer = False  # what was typed has none yet, or it is not heard yet; see take()
        self._pushed_at = 0.0  # when the key to talk came last, time.monotonic()

    def listen_to_keyboard(self, at_end: Callable[[Callable[[], None]], object]) -> None:
        """Obey what is typed, from now on; `at_end` gets what ends it."""
        if not self.make_prompt:
            watch_keyboard(self.take, self.end_typing)
            at_end(forget_typed)
            return
        prompt = self.make_prompt(self.screen.open_line, self)
        at_end(prompt.close)
        at_end(self.screen.hide_prompt)
        self.screen.show_prompt(prompt)

    def hold(self) -> None:
        """Start the conversation, and stay until it is over and all is written.

        Raises what it failed of: VoiceLiveError, or a bug.
        """
        try:
            self.link.hold(self._look)
        finally:  # also where it is interrupted
            if self._conversation.sessions:  # else there was nothing to sum up
                self.screen.note(self.summary())

    def _look(self) -> None:
        self._look_for_trouble()
        self._tell_what_takes_long()
        if self._conversation.is_resting and self._conversation.sink.wait_until_heard(0):
            self.screen.settle()

    def _look_for_trouble(self) -> None:
        """Tell once about trouble that a person with a sound card can fix."""
        if not isinstance(self.link.source, Microphone):
            return
        if self._openings != self.link.source.stream.openings:
            self._openings = self.link.source.stream.openings
            self.meter.begin_anew()
        if self.meter.is_silent and not self.muting.on:
            self._hint(failures.in_words(failures.silent_microphone()))
        if self._conversation.turns.seems_to_hear_itself and not self.pushes_to_talk:
            self._hint(HEARS_ITSELF)

    def _tell_what_takes_long(self) -> None:
        """Say what the agent is about where it is silent for long, once; the status says it all the time."""
        activity = self._conversation.tools.activity
        if activity and activity is not self._told and time.monotonic() - activity.since > PATIENCE_S:
            self._told = activity
            if not self.screen.has_prompt:
                self.screen.note(f"The agent is {activity.what}.")

    def status(self, columns: int) -> str:
        """Who is talking, how loud the microphone is, the time, the latency of the last answer.

        What does not fit into so many columns is left out, the least important first.
        """
        latencies_s = self._conversation.turns.latencies_s
        parts = [f"{self._state:14}", self._sound, f"{self._elapsed:5}"]  # the most important first
        if latencies_s:
            parts.append(f"answered after {latencies_s[-1]:.2f} s")
        if self.pushes_to_talk:
            parts.append("space to talk")
        parts.append("? lists the keys")
        while len(parts) > 1 and len("  ".join(parts)) + 2 > columns:
            parts.pop()
        return f" {'  '.join(parts)} "[:columns]

    @property
    def _sound(self) -> str:
        if self.types_only:
            return "no microphone"
        return f"{'muted' if self.muting.on else level(self.meter.peak):12}"

    def summary(self) -> str:
        """How it went."""
        turns = self._conversation.turns
        losses = sum(stream.losses for stream in self.streams)
        reconnects = max(0, self._conversation.sessions - 1)  # those that came to something
        how = (
            f"Ended after {self._elapsed}: {many(turns.answers, 'answer')}, "
            f"{turns.interruptions} interrupted, "
            f"{many(reconnects, 'reconnect')}."
        )
        if losses:
            how += f" The sound card lost pieces of sound {many(losses, 'time')}."
        if turns.latencies_s:
            usual, worst = median(turns.latencies_s), max(turns.latencies_s)
            how += f"\nFirst sound after {usual:.2f} s (median), {worst:.2f} s (worst)."
        if turns.interim_latencies_s:
            how += f"\nInterim words after {median(turns.interim_latencies_s):.2f} s (median)."
        if (used := turns.usage) != Usage():
            how += f"\nTokens: {used.input} in ({used.cached} cached, {used.input_audio} of sound), "
            how += f"{used.output} out ({used.output_audio} of sound)."
        return how

    @property
    def _state(self) -> str:
        conversation = self._conversation
        if not conversation.ready.is_set():
            return "reconnecting" if self.link.reconnects else "connecting"
        if conversation.user_speaks:
            return "you speak" if self.pushes_to_talk else "hearing you"
        if not conversation.sink.wait_until_heard(0):
            return "agent speaking"
        if activity := conversation.tools.activity:
            return activity.what
        if not conversation.is_resting:
            return THINKING
        return "push to talk" if self.pushes_to_talk else "listening"

    @property
    def _elapsed(self) -> str:
        seconds = round(time.monotonic() - self._began)
        return f"{seconds // 60}:{seconds % 60:02}"

    def take(self, typed: str) -> None:
        """What was typed, and Enter, without a prompt."""
        if is_terminal(sys.stdin):
            self.screen.begin_row()
        else:
            self._wait_for_answer()
        if not self.link.over.is_set():
            self.obey(typed)

    def _wait_for_answer(self) -> None:
        """Until what was typed before is answered, and the answer heard: who pipes lines does not mean to cut
        in. Only a question of the agent's is not waited for, and where no answer comes, the conversation is
        over.
        """
        silent_from = time.monotonic()
        while self._awaits_answer and not (self._conversation.tools.is_asking or self.link.over.wait(LOOK_S)):
            if self._conversation.is_resting and self._conversation.sink.wait_until_heard(0):
                self._awaits_answer = False
            elif self._state != THINKING:
                silent_from = time.monotonic()
            elif time.monotonic() - silent_from > NO_ANSWER_S:
                self.link.fail(failures.no_answer(NO_ANSWER_S))

    def _say(self, text: str) -> None:
        self._conversation.say(text)
        self._awaits_answer = True

    def obey(self, typed: str) -> None:
        """What was typed, and Enter: a command of ours, or a message for the agent, as several lines are."""
        text = printable(typed).strip()
        word, _, rest = text.partition(" ")
        match word.lower() if "\n" not in text and (text.startswith("/") or not rest) else "message":
            case "":
                self.talk()
            case "q" | "quit" | "exit" | "/q" | "/quit" | "/exit":
                self.link.over.set()
            case "m" | "/m" | "/mute":
                self.mute()
            case "y" | "n" as said if self._conversation.decide(said == "y"):
                pass  # the agent had asked
            case "/say" if rest.strip():
                self._say(rest.strip())
            case "?" | "/?" | "/help":
                self._list_keys()
            case unknown if unknown.startswith("/"):
                self._list_keys(f"There is no {word}.")
            case _:
                self._say(text)

    def _list_keys(self, before: str = "") -> None:
        keys = [KEYS, LIVE_KEYS] if self.make_prompt else [KEYS]
        if self.pushes_to_talk:
            keys.insert(0, PUSH_KEYS.format(key="space" if self.make_prompt else "Enter"))
        self.screen.answer("\n".join([before, *keys]).lstrip())

    def mute(self) -> None:
        """Switch the microphone off, or on again."""
        if self.types_only:
            self.screen.answer("There is no microphone to mute (--no-mic).")
            return
        self.muting.toggle()
        self.screen.answer("The microphone is muted." if self.muting.on else "The microphone is on.")

    @property
    def pushes_to_talk(self) -> bool:
        """Whether the person begins and ends each turn."""
        return self._conversation.pushes_to_talk and not self.types_only

    def talk(self) -> None:
        """Begin a turn, or end it, where the person pushes to talk."""
        repeats = time.monotonic() - self._pushed_at < REPEAT_S
        self._pushed_at = time.monotonic()
        if not self.pushes_to_talk or repeats:
            return
        if not self._conversation.ready.is_set():
            self.screen.answer("There is no connection yet.")
            return
        begins = not self._conversation.talks
        self._conversation.talk(begins)
        if begins and not self.make_prompt:  # which has the status
            self.screen.answer("Speak now, then press Enter.")

    def silence(self) -> None:
        """Let the agent fall silent."""
        self._conversation.silence()

    def end_typing(self) -> None:
        """Nobody types any more, or can be asked: who only types has said all; Ctrl-D at a prompt ends it."""
        self._conversation.leave(has_said_all=self.types_only)
        if self.types_only:
            self.link.source.close()
        elif self.make_prompt:
            self.link.over.set()

    def _hint(self, text: str) -> None:
        """Show it, once."""
        if text not in self._hints:
            self._hints.add(text)
            self.screen.note(text)


def many(count: int, what: str) -> str:
    """`1 reconnect`, `2 reconnects`"""
    return f"{count} {what}{'' if count == 1 else 's'}"
