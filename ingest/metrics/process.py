"""What is measured of the process itself."""

import time

from prometheus_client import ProcessCollector


class OwnProcess(ProcessCollector):
    """The library's collector, also where only processes are to be seen in ``/proc``.

    It takes the time of the boot from ``/proc/stat``, and without it yields nothing at all. Under
    ``ProcSubset=pid`` of systemd that file is not there.
    """

    def _boot_time(self) -> float:
        return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
