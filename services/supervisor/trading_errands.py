"""What is run in the bot's place, by the supervisor or, where none lives, by the command line."""

from __future__ import annotations

MODULE = "services.trading_bot.one_shot"
SPOOL_HOLD, SECURE_HOLD = "spool", "secure"
ERRAND_S = 45.0
ERRAND_GRACE_S = 15.0
"""How long one may finish once everything is stopped: as long as a bot may take to end."""
HANG_GRACE_S = 2.0
"""How long a bot that ignores its commands gets to end before it is killed."""
