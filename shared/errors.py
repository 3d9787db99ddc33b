"""The four families of failure, their exit codes, and who must act.

    SystemFault
    ├── TransientFault   75  passes by itself; a fresh process or a retry may cure it
    ├── SchemaFault      76  a reply or a file breaks its contract; a developer must look
    ├── RiskFault        77  the broker answered and something stays unresolved; a trader must look
    └── ConfigFault      78  settings or credentials are wrong; the operator must mend them

Every process of the project ends with the exit code of the family, so that a death is
classified without reading a log (CONTRACTS.md section 2). Foreign exceptions are translated
into these at the door they come through, with their cause kept.
"""

from __future__ import annotations

import os
from enum import StrEnum


class FailureClass(StrEnum):
    """The class of a failure: decides between restart, park and halt."""

    TRANSIENT = "TRANSIENT"
    SCHEMA = "SCHEMA"
    RISK = "RISK"
    CONFIG = "CONFIG"


class VendorError(StrEnum):
    """The five words in which a failure of a vendor is reported, whoever the vendor is."""

    AUTH_ERROR = "AUTH_ERROR"
    RATE_LIMIT = "RATE_LIMIT"
    NETWORK = "NETWORK"
    SCHEMA_ERROR = "SCHEMA_ERROR"
    UNKNOWN = "UNKNOWN"


VENDOR_ERROR_CLASSES: dict[VendorError, FailureClass] = {
    VendorError.AUTH_ERROR: FailureClass.CONFIG,
    VendorError.RATE_LIMIT: FailureClass.TRANSIENT,
    VendorError.NETWORK: FailureClass.TRANSIENT,
    VendorError.SCHEMA_ERROR: FailureClass.SCHEMA,
    VendorError.UNKNOWN: FailureClass.TRANSIENT,
}
"""RISK has no word of a vendor's: it is a refusal that the vendor meant, not a failure of his."""


EXIT_CODES: dict[FailureClass, int] = {
    FailureClass.TRANSIENT: os.EX_TEMPFAIL,
    FailureClass.SCHEMA: os.EX_PROTOCOL,
    FailureClass.RISK: os.EX_NOPERM,
    FailureClass.CONFIG: os.EX_CONFIG,
}

EXIT_ALREADY_RUNNING = os.EX_UNAVAILABLE
"""69: another instance holds this state folder."""

EXIT_CANNOT_WRITE = os.EX_CANTCREAT
"""73: the state or log folder cannot be written."""


def failure_class_of_exit_code(code: int | None) -> FailureClass | None:
    """Return the class that an exit code stands for, or None when it is unclassified."""
    for failure_class, class_code in EXIT_CODES.items():
        if class_code == code:
            return failure_class
    return None


class SystemFault(Exception):
    """Base of every failure that we raise on purpose."""

    failure_class: FailureClass = FailureClass.TRANSIENT

    @property
    def exit_code(self) -> int:
        """The exit code with which a process ends because of this failure."""
        return EXIT_CODES[self.failure_class]


class TransientFault(SystemFault):
    """Passes by itself: network, timeouts, rate limits, a busy disk."""

    failure_class = FailureClass.TRANSIENT


class SchemaFault(SystemFault):
    """A reply breaks its contract, or a file is of a version newer than this code."""

    failure_class = FailureClass.SCHEMA


class RiskFault(SystemFault):
    """The broker answered and an item of the reconciliation stays unresolved."""

    failure_class = FailureClass.RISK


class ConfigFault(SystemFault):
    """Settings or credentials are missing, wrong or refused."""

    failure_class = FailureClass.CONFIG
