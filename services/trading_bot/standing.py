"""Where trading stands: every input of the trading state gathered, then combined (rule 21)."""

from __future__ import annotations

from services.trading_bot.coverage import coverage, gaps_out_of_grace
from services.trading_bot.drifts import feed_drift
from services.trading_bot.parts import Parts
from services.trading_bot.reconciling import Reconciler
from shared.errors import SchemaFault, SystemFault
from shared.models.orders import OrderRole
from shared.models.trading_state import BotState
from shared.persistence.emergency_stop import EmergencyStopFile
from shared.ports import Turn
from shared.risk.trading_state import StateInputs, StateVerdict, combine


def judge_standing(
    parts: Parts, turn: Turn | None, broker_fault: SystemFault | None, reconciler: Reconciler
) -> StateVerdict:
    """Return the trading state now; without a turn (no market time) nothing is entered."""
    state = parts.memory.state
    now = turn.reading.now if turn is not None else None
    stream = parts.stream
    return combine(
        StateInputs(
            emergency_stop=parts.stop_file.is_set(),
            paused=state.operator.paused,
            pause_reason=state.operator.reason,
            holds=state.holds,
            order_contract_fault=(
                str(broker_fault) if isinstance(broker_fault, SchemaFault) else parts.drifts.orders
            ),
            data_contract_fault=feed_drift(parts.market.feeds) or parts.drifts.data,
            data_age_s=(
                parts.market.data_age_s(now, turn.minute)
                if turn is not None and now is not None and parts.market.fault is None
                else None
            ),
            data_age_s_max=float(parts.policy.limits.quote_age_s_max),
            is_open=turn.reading.is_open if turn is not None else True,
            unknown_outcomes=len(state.unknown_outcomes),
            uncovered_symbols=len(gaps_out_of_grace(state, now)),
            reconcile_age_s=reconciler.age_s(now) if now is not None else None,
            unresolved_items=reconciler.unresolved,
            stream_listening=stream.listening if stream is not None else None,
            store_writable=parts.memory.is_writable,
            error_burst=now is not None and parts.door.has_error_burst(now),
            statement_differences=state.statement.differences if state.statement else (),
            supervision_fault=parts.supervision.fault() or "",
        )
    )


def flatten_wish(stop_file: EmergencyStopFile) -> tuple[str | None, bool]:
    """Return why every position of ours must be closed now (None: it must not), and whether those
    that are not ours must be closed, too.
    """
    note = stop_file.read() if stop_file.is_set() else None
    if note is None or not note.flatten:
        return None, False
    return "operator: emergency stop with flatten", note.include_external


def is_secure(state: BotState) -> bool:
    """Whether no entry works, live stops cover every share of ours, and no plan runs."""
    working = any(order.role is OrderRole.ENTRY for order in state.orders.live())
    gaps = any(not row.is_covered for row in coverage(state).values())
    return not working and not gaps and not state.plans
