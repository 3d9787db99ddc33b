"""The brain: pure strategies, one file each; they see models and indicators only."""
