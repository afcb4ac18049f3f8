"""`--record`: the sound of both sides and their turns, in two files beside the logs."""

from functools import partial

from voicelive.app.extras import Extra, Part, Run


class Record(Extra):
    """The option, and the files."""

    options = (("record", bool, "Keep the sound of both sides, and the turns, beside the logs.", False),)

    def join(self, run: Run) -> Part:
        """Write them, if that is wanted."""
        from voicelive.extras.recording.files import Recording

        if not run.options.of_extras.get("record"):
            return Part()
        recording = Recording(run.path("conversation"), run.redact, run.note)
        return Part(
            beside=partial(partial, recording.beside),
            keep=recording.keep,
            files=recording.paths,
            close=recording.close,
        )


EXTRA = Record()
