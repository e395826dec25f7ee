"""Incidents and findings as text for a terminal, and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from inbox.clock import rfc3339
from inbox.operations.doctor.findings import Finding, Level, seconds
from inbox.operations.incidents import Affected, IncidentRow

_HEADINGS = ("from", "to", "how long", "upstream", "what it affected", "first error")


def table(rows: Sequence[IncidentRow]) -> Iterator[str]:
    """One line per incident under a line of headings, columns aligned. Times are UTC."""
    cells = [_HEADINGS, *map(_cells, rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEADINGS))]
    for line in cells:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def _cells(row: IncidentRow) -> tuple[str, ...]:
    return (
        rfc3339(row.started_at)[:19] + "Z",
        rfc3339(row.ended_at)[:19] + "Z" if row.ended_at else "now",
        seconds(row.duration_s),
        row.upstream,
        _harm(row.affected),
        row.first_error or "",
    )


def _harm(affected: Affected) -> str:
    counts = {
        "failed": affected.failed_calls,
        "refused": affected.refused_calls,
        "conversations waited": affected.conversations,
        "webhooks journaled": affected.webhooks_journaled,
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "nothing"


def some(count: int, one: str, many: str = "") -> str:
    """So many of something: 1 reply, 2 replies. `many` is for words that take no s."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def as_text(findings: Sequence[Finding]) -> str:
    """A line per finding, what to do under it, and a summary."""
    width = max((len(finding.what) for finding in findings), default=0)
    lines = []
    for finding in findings:
        lines.append(f"{finding.level:7}  {finding.what.ljust(width)}  {finding.found}")
        if finding.do:
            lines.append(f"{'':7}  {'':{width}}  → {finding.do}")
    counts = {level: sum(finding.level is level for finding in findings) for level in Level}
    lines.append(f"{counts[Level.PROBLEM]} to repair, {counts[Level.WARNING]} to look at, {counts[Level.OK]} in order.")
    return "\n".join(lines)


def as_json(findings: Sequence[Finding]) -> str:
    """{"status": the worst level, "findings": [{level, what, found, do}]}."""
    levels = {finding.level for finding in findings}
    worst = next((level for level in (Level.PROBLEM, Level.WARNING) if level in levels), Level.OK)
    rows = [
        {"level": finding.level, "what": finding.what, "found": finding.found, "do": finding.do} for finding in findings
    ]
    return json.dumps({"status": worst, "findings": rows}, ensure_ascii=False, indent=2)
