"""The part of a terminal that stays in place: the line that grows, what is typed, and a status."""

import os

from voicelive.app.extras import Extra, Part, Run
from voicelive.app.terminal import is_live


class Live(Extra):
    """A prompt, where the terminal can have one."""

    def join(self, run: Run) -> Part:
        """Offer it."""
        if run.options.plain or not is_live(os.environ):
            return Part()
        from voicelive.extras.live.prompt import LivePrompt  # 0.1 s

        return Part(make_prompt=LivePrompt)


EXTRA = Live()
