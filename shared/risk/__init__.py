"""Safety, pure: the guard's checks, sizing, and the circuit breakers of money."""
