"""Backtest: the very same bot, data-daemon and exchange in lock-step, judged afterwards."""
