"""`--echo-cancellation client`: what was really played goes along with what is heard."""

from functools import partial
from typing import TYPE_CHECKING

from voicelive.app import cli
from voicelive.app.extras import Extra, Part, Run

if TYPE_CHECKING:  # and late below, so that --help need not wait for numpy
    from voicelive.session import Message, Offer

SINCE = "2026-07-15"  # api-version


class Echo(Extra):
    """A kind of echo cancellation, and what a session with it needs."""

    echo_kinds = ("client",)

    def echo_fields(self, api_version: str) -> "Message":
        """The client's reference, where the api-version knows it; else the service's."""
        from voicelive.extras.echo.reference import FIELDS
        from voicelive.session import ECHO

        if api_version >= SINCE:
            return FIELDS
        cli.say(f"api-version {api_version} takes no echo reference from the client: `server` is used.")
        return ECHO["server"]

    def offer(self, first_message: "Message") -> "Offer | None":
        """The reference, where it is asked for, if only by a person's own fields."""
        from voicelive.extras.echo.reference import Reference, is_asked_for

        return Reference() if is_asked_for(first_message) else None

    def join(self, run: Run) -> Part:
        """What was played goes along."""
        from voicelive.extras.echo.reference import Reference

        return Part(beside=partial(partial, run.offer.beside) if isinstance(run.offer, Reference) else None)


EXTRA = Echo()
