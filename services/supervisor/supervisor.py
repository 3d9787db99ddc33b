"""The supervisor: wires its parts, starts or adopts the services, and ends them in order."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from typing import Any

from services.supervisor.above import Above
from services.supervisor.adoption import Lineage, ProcessRecord, RecordFolder, inherit
from services.supervisor.compatibility import CompatibilityCheck
from services.supervisor.context import Context, Roster
from services.supervisor.control import Control
from services.supervisor.control_methods import ControlMethods
from services.supervisor.duties import TradingDuties
from services.supervisor.endpoints_file import note_dashboard, settle_exchange
from services.supervisor.health_file import HealthFile, Identity
from services.supervisor.incidents import IncidentBook
from services.supervisor.last_health import last_health
from services.supervisor.launch import Launch
from services.supervisor.member import After, Ask
from services.supervisor.one_shots import OneShots
from services.supervisor.opening import Opening
from services.supervisor.operations import Operations
from services.supervisor.own_deaths import OwnDeaths
from services.supervisor.processes import Process
from services.supervisor.reaper import Reaper
from services.supervisor.reread import Reread, first_table
from services.supervisor.rounds import Rounds
from services.supervisor.run_end import End, RunEnd
from services.supervisor.signals import let_through
from services.supervisor.sockets import SocketFolder
from services.supervisor.starter import Starter
from services.supervisor.stopper import Stopper
from services.supervisor.sweeper import Sweeper
from services.supervisor.table import EXCHANGE_SIM, TRADING_BOT
from services.supervisor.tally import TallyBook
from services.supervisor.terminal import say
from services.supervisor.watch import Watch
from shared.clock import Clock
from shared.models.health import HealthCode
from shared.telemetry.last_words import read_last_words
from shared.telemetry.logs import log_event

SURPLUS_GRACE_S = 5.0
SURPLUS_SWEPT_S = SURPLUS_GRACE_S + 1.0


def open_context(
    launch: Launch, clock: Clock, logger: logging.Logger, loop: asyncio.AbstractEventLoop
) -> Context:
    """Open the books of a state folder whose lock is held; raises OSError or SystemFault."""
    tally = TallyBook(launch.state.restart_tally, clock, logger)
    tally.load()
    return Context(
        launch=launch,
        clock=clock,
        logger=logger,
        loop=loop,
        incidents=IncidentBook(launch.logs.incidents, clock, logger),
        tally=tally,
        records=RecordFolder(launch.state.run),
        sockets=SocketFolder(launch.state.run),
        environment=launch.child_environment(os.environ),
    )


class Supervisor:
    """One life of the supervisor."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._roster = Roster(first_table(context))
        earlier = last_health(context.launch.state.health)
        context.incidents.restore(list(earlier.get("incidents") or []))
        self._own_deaths = OwnDeaths(context, earlier)
        self._starter = Starter(context, self._roster)
        self._stopper = Stopper(context)
        self._one_shots = OneShots(context)
        self._reaper = Reaper(context, self._roster, self._starter)
        self._sweeper = Sweeper(context, self._roster)
        self._sweeper.other_cookies = self._one_shots.cookies
        self._sweeper.other_pids = self._one_shots.pids
        self._reaper.ended = self._sweeper.died
        self._stopper.ended = self._reaper.finish_ask
        self._watch = Watch(context, self._roster, self._starter, self._stopper)
        self._duties = TradingDuties(context, self._roster, self._starter, self._stopper)
        self._duties.use(self._one_shots)
        self._operations = Operations(context, self._roster, self._starter, self._stopper)
        self._reread = Reread(context, self._roster, self._starter, self._stopper)
        self._health = HealthFile(
            context, self._roster, _identity(context, earlier), int(earlier.get("seq") or 0)
        )
        context.changed, context.died = self._health.changed, self._health.died
        self._run_end = RunEnd(context, self._roster, self._health)
        self._opening = Opening(context, self._roster, self._health, self._run_end)
        self._above = Above(context, self._health)
        self._watch.port_known = self._port_known
        self._compatibility = CompatibilityCheck(
            context, self._roster, self._one_shots, self._operations
        )
        self._end: asyncio.Future[End] = context.loop.create_future()
        self._rounds = Rounds(context, self._watch, self._health, self._each_second)

    async def open(self) -> None:
        """Take over what is left and open the control socket; raises OSError or SystemFault."""
        loop = self._context.loop
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled, number)
        loop.add_signal_handler(signal.SIGHUP, self._reread.apply)
        let_through()
        loop.set_exception_handler(self._unexpected)
        methods = ControlMethods(self._context, self._roster, self._operations, self._reread)
        methods.shutdown_asked = self._asked_to_end
        self._control = Control(self._context, methods)
        self._take_over()
        await self._control.open()

    async def run(self) -> int:
        """Supervise until the end, once opened; return the exit code."""
        if not self._end.done():
            self._starter.start_all()
        self._health.publish()
        self._opening.began()
        self._rounds.go()
        end = await self._end
        await self._go_down(end)
        await self._control.close()
        return self._run_end.exit_code(end)

    def _take_over(self) -> None:
        """Adopt what an earlier supervisor left, then settle ports and what is held down."""
        context = self._context
        launch = context.launch
        lineage = Lineage(launch.cookie, context.clock.boot_id(), launch.mode)
        left = inherit(context.records, lineage)
        for process in left.doubles:
            self._end_surplus(process)
        for name, found in left.living.items():
            member = self._roster.get(name)
            if member is None:
                self._end_surplus(found.process)
            else:
                self._starter.adopt(member, found)
                log_event(context.logger, "adopted", f"{name}, pid {found.process.pid}")
                self._own_deaths.service_before(name, found.record.restarts)
        self._hold_down()
        for name, record in left.dead.items():
            self._account_for(name, record)
        exchange = self._roster.get(EXCHANGE_SIM)
        runs = exchange is not None and exchange.process is not None
        settle_exchange(context, exchange_runs=runs)
        # Errands and helpers of the dead; whoever is asked to end has had his time by then.
        context.loop.call_later(SURPLUS_SWEPT_S, self._sweeper.died)
        self._own_deaths.supervisor_before(len(left.living))
        self._own_deaths.watch_guardian()

    def _hold_down(self) -> None:
        """Park and hold whom the book names; one that still ends is asked once more."""
        for member in self._roster:
            record = self._context.tally.of(member.name)
            if record.parked is not None:
                member.park = record.parked
                self._stopper.ask(member, Ask(record.parked.reason, After.PARK))
            elif record.held is not None:
                self._stopper.ask(member, Ask(record.held))

    def _account_for(self, name: str, record: ProcessRecord) -> None:
        """Count a death that nobody saw; its last words may still tell the class."""
        member = self._roster.get(name)
        if member is None:
            self._context.records.remove(name)
            return
        words = read_last_words(self._context.launch.logs.root, name, record.pid or 0)
        uptime_s = max(0.0, self._context.now_s() - record.started_s)
        member.restarts = record.restarts
        self._context.records.remove(name)
        if member.park is None and member.wanted:
            code = None if words is None else words.code
            self._reaper.died_unseen(member, code, record.identity, uptime_s)
        elif member.park is not None:
            self._own_deaths.park_before(name, member.park)

    def _end_surplus(self, process: Process) -> None:
        """End a process that nobody may own: a second of something, or of another mode."""
        log_event(self._context.logger, "surplus_ended", f"pid {process.pid} is one too many")
        process.send(signal.SIGTERM)

        def kill() -> None:
            process.send(signal.SIGKILL)
            process.close()

        self._context.loop.call_later(SURPLUS_GRACE_S, kill)

    def _port_known(self, _: str, port: int) -> None:
        host = self._context.launch.dashboard_host
        self._opening.dashboard_url = note_dashboard(self._context, host, port)

    def _each_second(self) -> None:
        self._do_duties()
        self._above.look()

    def _do_duties(self) -> None:
        if self._context.stopping:
            # A service may take its time to end, and readers must not take that for silence.
            self._health.publish()
            return
        if not self._context.owns_folder() and not self._end.done():
            lost = self._run_end.folder_lost()
            log_event(self._context.logger, "folder_lost", lost.reason, level=50)
            self._end.set_result(lost)
            return
        self._sweeper.look()
        self._control.look()
        self._duties.look()
        self._own_deaths.look()
        self._compatibility.look()
        self._health.publish()
        self._opening.look()
        due = self._run_end.due()
        if due is not None and not self._end.done():
            self._end.set_result(due)

    def _signalled(self, number: signal.Signals) -> None:
        if self._end.done():
            say("Killing what is left, as asked twice.", sys.stderr)
            for member in self._roster:
                self._stopper.kill(member)
            self._one_shots.kill_all()
            return
        self._asked_to_end(f"asked by {number.name}")

    def _asked_to_end(self, reason: str) -> None:
        if not self._end.done():
            self._end.set_result(self._run_end.end(reason, judged=False))

    async def _go_down(self, end: End) -> None:
        """Stop everything, dependants first; the summary while the exchange still lives."""
        context = self._context
        context.stopping = True
        say(f"Stopping: {end.reason}.")
        self._above.look()
        await self._one_shots.finish()
        for member in self._roster.in_stop_order():
            if member.name == EXCHANGE_SIM and end.judged:
                await self._run_end.summary(self._one_shots)
            self._stopper.ask(member, Ask(end.reason))
            if not await self._operations.until_down(member):
                log_event(
                    context.logger, "does_not_end", f"{member.name} survives SIGKILL", level=40
                )
        if self._roster.get(EXCHANGE_SIM) is None and end.judged and self._has_bot():
            await self._run_end.summary(self._one_shots)
        self._sweeper.sweep()
        self._run_end.report(end)
        context.tally.release_all()
        if context.owns_folder():
            context.tally.save()
        self._health.publish_stopped(HealthCode.STOPPED, f"stopped: {end.reason}")
        for member in self._roster:
            if member.socket is not None:
                member.socket.close(context.loop)
        context.sockets.remove()

    def _has_bot(self) -> bool:
        return self._roster.get(TRADING_BOT) is not None

    def _unexpected(self, _: asyncio.AbstractEventLoop, facts: dict[str, Any]) -> None:
        """A fault in one callback must not end supervision; it is logged whole."""
        self._context.logger.error(
            "unexpected: %s",
            facts.get("message"),
            exc_info=facts.get("exception"),
            extra={"event": "supervisor_fault"},
        )


def _identity(context: Context, earlier: dict[str, Any]) -> Identity:
    """Return who we are; the generation counts supervisors since the last clean end."""
    former = earlier.get("supervisor")
    generation = 0
    same_boot = earlier.get("boot_id") == context.clock.boot_id()
    if same_boot and isinstance(former, dict) and earlier.get("code") != str(HealthCode.STOPPED):
        generation = int(former.get("generation") or 0)
    return Identity(os.getpid(), context.now_text(), generation + 1)
