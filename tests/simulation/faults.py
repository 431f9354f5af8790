"""Faults: what happens to machines, one at a time."""

from __future__ import annotations

from tests.simulation.loop import VirtualLoop
from tests.simulation.machines import Machine, Machines
from tests.simulation.plan import Fault
from tests.simulation.trace import Trace


class Faults:
    """Strikes those machines that run and have not been told to stop."""

    def __init__(self, loop: VirtualLoop, trace: Trace, machines: Machines) -> None:
        self._loop = loop
        self._trace = trace
        self._machines = machines

    def strike(self, fault: Fault) -> None:
        """Now."""
        machines, loop = self._machines, self._loop
        alive = [one for one in machines.all if not one.process.stopped and not one.stopping]
        if machines.closing or not alive:
            return
        machine = alive[int(fault.victim * len(alive))]
        self._trace.note("fault", fault.kind, machine.process.name, fault.size)
        match fault.kind:
            case "kill":
                machines.lose(machine)
            case "fuse":
                machine.wire.fuse = int(fault.size)
                machine.process.on_death = lambda: loop.outside(0.0, machines.lose, machine)
            case "freeze":
                machine.process.freeze()
                self._back_at(machine, loop.time() + fault.size)
                machines.silence(machine)
                loop.outside(fault.size, self._thaw, machine)
            case "cut":
                machine.wire.cut_until = loop.time() + fault.size
                self._back_at(machine, machine.wire.cut_until)
                machines.silence(machine)
                loop.outside(fault.size, machines.hear, machine)
            case "stop":
                machine.stopping = True
                if machine.main is not None:
                    machine.main.cancel()
            case "clock":
                machine.clock.off += int(fault.size * 1e9)
            case "blobs":
                machines.outage.until = loop.time() + fault.size
            case _:
                machines.boot(machine.duty)

    def _back_at(self, machine: Machine, when: float) -> None:
        back, name = self._machines.back, machine.process.name
        back[name] = max(back[name], when)

    def _thaw(self, machine: Machine) -> None:
        self._trace.note("thaw", machine.process.name)
        if self._loop.time() >= machine.wire.cut_until:
            self._machines.hear(machine)
        machine.process.thaw()
