"""Guard tuning from history: which limits bound, how often, at what cost. Proposes only."""
