"""The brain: pure strategies, one file each and nothing else; models and indicators only."""
