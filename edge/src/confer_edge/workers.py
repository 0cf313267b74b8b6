"""Several worker processes that share a port: forked, started again when they end, stopped together (ADR 13)."""

import ctypes
import os
import signal
import sys
import time
from typing import Final

from confer_kit.backoff import Backoff, ending
from confer_kit.logs import logger

log = logger(__name__)

STOP_S: Final = 30.0  # beyond its own deadline; a worker that is still there then is killed
_STOPS: Final = frozenset({signal.SIGTERM, signal.SIGINT})
_SIGNALS: Final = _STOPS | {signal.SIGCHLD}
_PR_SET_PDEATHSIG: Final = 1


class Worker:
    """One of them: it runs while it has a `pid`; otherwise it is to be started at `due` (monotonic seconds)."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.pid = 0
        self.due = 0.0
        self.code = 0  # of its last end; negative for a signal
        self.backoff = Backoff()
        self._began = 0.0

    def started(self, pid: int) -> None:
        self.pid = pid
        self._began = time.monotonic()

    def ended(self, code: int) -> float:
        """Seconds after which it is started again."""
        now = time.monotonic()
        wait_s = self.backoff.after(now - self._began)
        self.pid, self.code, self.due = 0, code, now + wait_s
        return wait_s


class Supervisor:
    """The process that stays behind. It does no work, so that it cannot be what fails."""

    def __init__(self, count: int, drain_s: float) -> None:
        self._workers = [Worker(number) for number in range(count)]
        self._drain_s = drain_s
        self._kill_at: float | None = None  # set when it stops
        self._code = 0

    def run(self) -> int:
        """Returns in each worker, with its number. Leaves by SystemExit in the supervisor."""
        own = os.getpid()
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        while self._kill_at is None or self._running:
            number = self._start_due()
            if number is not None:
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)
                _end_with(own)
                return number
            got = signal.sigtimedwait(_SIGNALS, self._pause_s())
            if got is not None and got.si_signo in _STOPS:
                self._stop(signal.SIGTERM)
            self._reap()
            if self._kill_at is not None and time.monotonic() > self._kill_at:
                self._stop(signal.SIGKILL)
        raise SystemExit(self._code)

    @property
    def _running(self) -> list[Worker]:
        return [worker for worker in self._workers if worker.pid]

    def _start_due(self) -> int | None:
        """Start whoever is due; the number of this process where it is a new worker."""
        if self._kill_at is None:
            for worker in self._workers:
                if not worker.pid and worker.due <= time.monotonic():
                    pid = os.fork()
                    if pid == 0:
                        return worker.number
                    worker.started(pid)
        return None

    def _pause_s(self) -> float:
        now = time.monotonic()
        if self._kill_at is not None:
            return max(0.0, self._kill_at - now) + 0.01
        return max(0.0, min((w.due - now for w in self._workers if not w.pid), default=60.0))

    def _stop(self, number: signal.Signals) -> None:
        if self._kill_at is None:
            self._kill_at = time.monotonic() + self._drain_s + STOP_S
        for worker in self._running:
            os.kill(worker.pid, number)

    def _reap(self) -> None:
        for worker in self._running:
            pid, status = os.waitpid(worker.pid, os.WNOHANG)
            if pid:
                code = os.waitstatus_to_exitcode(status)
                wait_s = worker.ended(code)
                if self._kill_at is not None:
                    self._code = self._code or (1 if code else 0)
                else:
                    self._tell(worker, wait_s)
        if self._kill_at is None and all(w.backoff.failing for w in self._workers):
            log.error("no worker can be started: see what each has said above")
            self._code = 1
            self._stop(signal.SIGTERM)

    @staticmethod
    def _tell(worker: Worker, wait_s: float) -> None:
        log.warning(f"worker {worker.number} {ending(worker.code)}; starting it again in {wait_s:.1f} s")


def fork(count: int, drain_s: float) -> int:
    """From one process make `count`: returns in each worker, with its number from 0 on. The calling process stays
    behind as their supervisor and ends with them: exit status 0 when each ended well after SIGTERM or SIGINT, and 1
    too when none can be started. `drain_s` is how long a worker itself takes to stop, at most."""
    if sys.platform != "linux":
        raise SystemExit("confer-edge: several workers need Linux, which spreads connections over a port's sockets.")
    return Supervisor(count, drain_s).run()


def _end_with(supervisor: int) -> None:
    """Drain as after SIGTERM when the supervisor is killed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != supervisor:  # it died before we asked
        raise SystemExit(1)
