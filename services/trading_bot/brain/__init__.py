"""Around the strategies: what one says of itself, where they are found, tried and contained."""
