"""A failure, with its remedy and its exit code."""

from dataclasses import dataclass

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_NO_ACCESS = 4


@dataclass(eq=False)
class VoiceLiveError(Exception):
    """A failure that a person can do something about."""

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
