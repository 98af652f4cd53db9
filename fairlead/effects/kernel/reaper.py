"""Links that are to go soon: deleting one veth blocks for 16 to 32 ms, sixty of one group together for as long.

So a link that is in nobody's way is only moved into the doomed group, and a thread of its own deletes the group every
now and then. The wait happens outside the kernel's lock and disturbs nobody.

A link of the host is born into a group of its own and leaves it with the message that gives it its alias. One that is
found there at boot was being made when the daemon was killed: nobody has used it, and nothing else tells whose it is.
"""

from __future__ import annotations

import errno
import logging
from threading import Event, Lock, Thread

from fairlead.effects.kernel import links
from fairlead.effects.kernel.places import Place
from fairlead.model.errors import KernelRefused
from fairlead.model.plan import HOST

_log = logging.getLogger(__name__)

DOOMED, NEWBORN = 0x0FA1, 0x0FA2
INTERVAL = 0.05
_GONE = (0, errno.ENODEV)


class Reaper:
    """Deletes the doomed group of every namespace in which something was doomed."""

    def __init__(self) -> None:
        self._doomed: dict[str, set[str]] = {HOST: set()}
        self._lock = Lock()
        self._reaping = Lock()
        self._work = Event()
        self._stop = Event()
        self._thread = Thread(target=self._run, name="reaper", daemon=True)

    def start(self) -> None:
        """What an earlier life of the daemon left unfinished goes at once, and what it left doomed goes first."""
        place = Place(HOST)
        try:
            place.route.request([links.delete_group(NEWBORN)])
        finally:
            place.close()
        self._work.set()
        self._thread.start()

    def close(self) -> None:
        """Delete what is doomed, then end."""
        self._stop.set()
        self._work.set()
        self._thread.join()

    def doom(self, ns: str, name: str) -> None:
        """The link has been moved to the group."""
        with self._lock:
            self._doomed.setdefault(ns, set()).add(name)
        self._work.set()

    def at_rest(self) -> bool:
        """Is nothing doomed, and nothing being deleted?"""
        with self._lock:
            return not self._doomed and not self._reaping.locked()

    def reap(self) -> None:
        """Delete all that is doomed now; returns when it is gone."""
        with self._reaping:
            with self._lock:
                doomed, self._doomed = self._doomed, {}
            for ns, names in doomed.items():
                self._reap_namespace(ns, names)

    def _run(self) -> None:
        while True:
            self._work.wait()
            self._stop.wait(INTERVAL)
            self._work.clear()
            self.reap()
            if self._stop.is_set():
                return

    def _reap_namespace(self, ns: str, names: set[str]) -> None:
        place = Place(ns)
        try:
            ack = place.route.request([links.delete_group(DOOMED)])[0]
            if ack.errno not in _GONE:
                self._reap_singly(place, names)
        except KernelRefused as refused:
            if not refused.missing:
                _log.warning("doomed links of %s: %s", ns or "the host", refused.message)
        except OSError:
            _log.exception("doomed links of %s", ns or "the host")
        finally:
            place.close()

    def _reap_singly(self, place: Place, names: set[str]) -> None:
        """One link that cannot be deleted spares its whole group: take it out."""
        for name in names:
            ack = place.route.request([links.delete(name)])[0]
            if ack.errno not in _GONE:
                _log.warning("delete link %s: %s %s", name, errno.errorcode.get(ack.errno, ack.errno), ack.detail)
                place.route.request([links.change(name, links.Change(group=0))])
