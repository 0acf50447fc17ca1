"""What a soak has shown, as text and as JSON."""

from typing import Any, Final

from tests.soak.arena import Tally

#: A row told whole would hide the others.
_WHAT_MAX: Final = 1000


def document(tally: Tally, *, seed: int, took_s: float) -> dict[str, Any]:
    """Return the report as JSON."""
    return {
        "seed": seed,
        "tookSeconds": round(took_s, 1),
        "phases": {
            phase: {
                "tried": tally.tried[phase],
                "hit": tally.hit[phase],
                "leftRunning": dict(tally.found[phase].most_common()),
            }
            for phase in sorted(tally.tried)
        },
        "answers": dict(sorted(tally.answers.items())),
        "executions": dict(tally.statuses.most_common()),
        "exitCodes": dict(sorted(tally.exit_codes.items())),
        "looks": tally.looks,
        "comparisonsWithTheBank": tally.comparisons,
        "violations": [
            {"round": one.round, "what": one.what, "traces": str(one.traces)}
            for one in tally.violations
        ],
    }


def text(report: dict[str, Any]) -> str:
    """Return the report for people."""
    lines = [
        f"seed {report['seed']}, {report['tookSeconds']} s",
        f"looks at a database: {report['looks']}",
        f"comparisons with the bank: {report['comparisonsWithTheBank']}",
    ]
    rows: list[tuple[str, ...]] = [("phase", "tried", "hit", "missed", "executions left running")]
    for phase, one in report["phases"].items():
        left = ", ".join(f"{what} {count}" for what, count in one["leftRunning"].items())
        tried, hit = one["tried"], one["hit"]
        rows.append((phase, f"{tried}", f"{hit}", f"{tried - hit}", left))
    lines += ["", *_table(rows)]
    for name in ("answers", "executions", "exitCodes"):
        if report[name]:
            lines += ["", name]
            lines += _table([(f"  {what}", f"{count}") for what, count in report[name].items()])
    lines.append("")
    lines += [
        f"VIOLATION in round {one['round']} (traces: {one['traces']}): {one['what'][:_WHAT_MAX]}"
        for one in report["violations"]
    ]
    lines.append(f"violations: {len(report['violations'])}")
    return "\n".join(lines)


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
