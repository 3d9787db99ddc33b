"""Classification, retry, rate limits, breakers, and the one HTTP door."""
