"""What was measured, as a table and as JSON."""

import math
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import field, frozen


@frozen(kw_only=True)
class Measured:
    """One row: the service's values and its floor's, in `unit`."""

    row: str
    floor_is: str
    unit: str
    service: Sequence[float]
    floor: Sequence[float]
    #: What the ratio (service by floor) is to reach, of the medians and of the 99th percentiles.
    goal: str = ""
    goal_p99: str = ""
    with_p99: bool = False
    #: Where the service's time goes: values for each part.
    parts: Mapping[str, Sequence[float]] = field(factory=dict)


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value that so many percent do not exceed; with few values, the largest."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def document(measured: Measured) -> dict[str, Any]:
    """Return a row as JSON."""
    service, floor = statistics.median(measured.service), statistics.median(measured.floor)
    result: dict[str, Any] = {
        "row": measured.row,
        "floor": measured.floor_is,
        "unit": measured.unit,
        "values": {"service": len(measured.service), "floor": len(measured.floor)},
        "median": {"service": service, "floor": floor, "ratio": service / floor},
        "spread": {
            "service": [min(measured.service), max(measured.service)],
            "floor": [min(measured.floor), max(measured.floor)],
        },
        "goal": {"median": measured.goal, "p99": measured.goal_p99},
    }
    if measured.parts:
        result["parts"] = {
            name: {"median": statistics.median(values), "p99": percentile(values, 99)}
            for name, values in measured.parts.items()
        }
    if measured.with_p99:
        service, floor = percentile(measured.service, 99), percentile(measured.floor, 99)
        result["p99"] = {"service": service, "floor": floor, "ratio": service / floor}
    return result


def machine() -> dict[str, Any]:
    """Return what the numbers depend on, beside the code."""
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0,
        "machine": platform.machine(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
    }


def table(documents: Sequence[dict[str, Any]]) -> str:
    """Return the rows as a table for people."""
    lines = [("row", "n", "service", "floor", "ratio", "goal", "floor is")]
    for one in documents:
        counts = "/".join(str(count) for count in one["values"].values())
        for figure in ("median", "p99"):
            if figure in one:
                found = one[figure]
                lines.append(
                    (
                        f"{one['row']}, {figure}",
                        counts,
                        *(f"{found[side]:,.2f} {one['unit']}" for side in ("service", "floor")),
                        f"{found['ratio']:.2f}",
                        one["goal"][figure],
                        one["floor"],
                    )
                )
    parts = [
        (f"{one['row']}: {name}", *(f"{part[figure]:,.2f} {one['unit']}" for figure in part))
        for one in documents
        for name, part in one.get("parts", {}).items()
    ]
    if not parts:
        return _aligned(lines)
    return f"{_aligned(lines)}\n\n{_aligned([('where the time goes', 'median', 'p99'), *parts])}"


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
