"""`python -m standin`: the stand-in alone, for any Voice Live client."""

import signal
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from standin import faults
from standin.script import read
from standin.server import HOST, WAIT_SLICE_S, StandIn


def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="TCP port; 0 takes a free one.")] = 0,
    pace: Annotated[float, typer.Option(min=0.1, help="Speed: times faster than real time.")] = 4.0,
    fault: Annotated[
        list[str] | None, typer.Option(metavar="SCENE", help="One of the scenes above. Repeatable.")
    ] = None,
    script: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A conversation to play, like standin/example.txt.")
    ] = None,
) -> None:
    """Run a stand-in for Azure AI Voice Live on this machine, for any Voice Live client."""
    ended = threading.Event()  # set by Ctrl-C and SIGTERM
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        with StandIn(port, pace, fault or (), read(script) if script else None) as stand_in:
            typer.echo(stand_in.endpoint)
            while not ended.wait(WAIT_SLICE_S):
                pass
    except ValueError as error:
        typer.echo(error, err=True)
        sys.exit(2)
    except OSError as error:
        if error.filename:
            typer.echo(f"{error.filename} cannot be read: {error.strerror}.", err=True)
            sys.exit(2)
        typer.echo(f"Port {port} on {HOST} cannot be used: {error.strerror or error}.", err=True)
        sys.exit(1)


def main() -> None:
    """Serve until Ctrl-C or SIGTERM; the endpoint is the one line on stdout."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command(help=f"{serve.__doc__}\n\n{faults.help_text()}")(serve)
    app()


if __name__ == "__main__":
    main()
