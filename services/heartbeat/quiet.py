"""Pure: the quiet hours. A fixed rule, not a setting: 22:00 to 07:00 in New York, where the
market is. What is not urgent waits for the morning; a page never does.
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

FROM_HOUR, TO_HOUR = 22, 7
_NEW_YORK = ZoneInfo("America/New_York")


def is_quiet(moment: datetime) -> bool:
    """Whether that moment lies in the quiet hours."""
    hour = moment.astimezone(_NEW_YORK).hour
    return hour >= FROM_HOUR or hour < TO_HOUR
