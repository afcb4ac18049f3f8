"""Your functions, which the agent may call by their names: those with @tool, and no others."""

from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from voicelive.extras.tools import tool


@tool
def time_in(place: Annotated[str, "A large city, such as Tokyo, or a time zone, such as Asia/Tokyo."]) -> str:
    """The date and the time of day in a place."""
    wanted = place.strip().replace(" ", "_").lower()
    for zone in sorted(available_timezones()):
        if wanted in (zone.lower(), zone.lower().rpartition("/")[2]):
            return datetime.now(ZoneInfo(zone)).strftime("%A, %d %B %Y, %H:%M")
    raise ValueError(f"no time zone is named after {place}: try a larger city nearby")
