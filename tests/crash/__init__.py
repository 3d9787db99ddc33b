"""Crash histories: a real bot is killed, starved and lied to, and its books must stay right.

A history is a pure function of its seed. The exchange is the real one, the bot is the real one in
forks of a pre-imported process, all time is in the harness's hand; what the bot believes in the
end is compared with the exchange's own books. In some of them a person trades in the same account;
what is theirs must stay theirs. `python -m tests.crash --help`.
"""
