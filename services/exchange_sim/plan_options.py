"""The command line's words for what the vendors' plans allow."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field, replace

from services.exchange_sim.data_plan import PLANS, DataPlan
from services.exchange_sim.unusual_whales.budget import WHALE_PLANS, WhalePlan
from services.exchange_sim.unusual_whales.wire import StampForm


@dataclass(frozen=True, slots=True)
class VendorPlans:
    """What the account's subscriptions allow."""

    data: DataPlan = field(default_factory=DataPlan)
    whales: WhalePlan = field(default_factory=WhalePlan)
    whales_token: str | None = field(default=None, repr=False)
    """Only this token of Unusual Whales opens; None: any."""


def add_plan_options(parser: argparse.ArgumentParser) -> None:
    """Add the options; what they say is read by `plans_asked`."""
    group = parser.add_argument_group("plans of the vendors")
    group.add_argument("--data-plan", choices=sorted(PLANS), default="unlimited")
    group.add_argument("--whales-plan", choices=sorted(WHALE_PLANS), default="unlimited")
    group.add_argument("--whales-per-minute", type=_count, metavar="REQUESTS")
    group.add_argument("--whales-per-day", type=_count, metavar="REQUESTS")
    group.add_argument(
        "--whales-stamps",
        choices=[form.value for form in StampForm],
        default=StampForm.LIVE.value,
        help="moments as live replies have them, or as the specification shows them",
    )
    group.add_argument("--whales-token", help="accept only this token of Unusual Whales")


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= len(text) <= 9:
        raise argparse.ArgumentTypeError(f"{text!r}: write a whole number of requests")
    return int(text)


def plans_asked(arguments: argparse.Namespace) -> VendorPlans:
    """Return the plans that the options describe."""
    whales = WHALE_PLANS[arguments.whales_plan]
    whales = replace(whales, form=StampForm(arguments.whales_stamps))
    if arguments.whales_per_minute is not None:
        whales = replace(whales, per_minute=arguments.whales_per_minute)
    if arguments.whales_per_day is not None:
        whales = replace(whales, per_day=arguments.whales_per_day)
    return VendorPlans(PLANS[arguments.data_plan], whales, arguments.whales_token)
