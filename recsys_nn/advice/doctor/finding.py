"""Findings of the doctor, each with its cause, its evidence and its fix."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, Literal, overload

import pandas as pd

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a run, or will be.

    Attributes:
        code: name of the finding, as ``"learning-rate-too-high"``.
        severity: ``"error"`` where the figures mean nothing, ``"warning"`` where they could be better, ``"note"``.
        cause: what is wrong, in general.
        evidence: the numbers and epochs that say so.
        fix: what to do about it.
        settings: lines of the config that do it, by dotted key; ``RunConfig.with_values`` takes them.

    Example:
        >>> (finding,) = rn.diagnose("runs/svd", pairs=[("new", "i0"), ("newer", "i0")])
        >>> finding.code, finding.severity
        ('unknown-ids', 'warning')
        >>> print(finding.evidence)
        100.0% of 2 pairs to be predicted have unknown ids: 2 an unknown user, 0 an unknown item, 0 both.
    """

    code: str
    severity: Severity
    cause: str
    evidence: str
    fix: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def lines(self) -> str:
        """The settings as they stand in a YAML: ``training.learning_rate: 0.003``."""
        return ", ".join(f"{key}: {'null' if value is None else value}" for key, value in self.settings.items())

    def __str__(self) -> str:
        settings = f" ({self.lines})" if self.settings else ""
        return (
            f"{self.severity}: {self.code}\n"
            f"  cause     {self.cause}\n"
            f"  evidence  {self.evidence}\n"
            f"  fix       {self.fix}{settings}"
        )


class Diagnosis(Sequence[Finding]):
    """Sequence of findings, the gravest first; empty where nothing is wrong.

    Args:
        findings: the findings in any order.

    Example:
        >>> config = rn.load_config("run.yaml", overrides=["training.epochs=3", "output=null"])
        >>> diagnosis = rn.diagnose(rn.run_experiment(config, progress=False))
        >>> diagnosis
        Diagnosis(patience-never-fired)
        >>> config.with_values(diagnosis[0].settings).training.epochs
        100
    """

    def __init__(self, findings: Sequence[Finding] = ()) -> None:
        self._findings = tuple(sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity)))

    @property
    def codes(self) -> list[str]:
        """Codes of the findings, the gravest first."""
        return [finding.code for finding in self]

    @property
    def table(self) -> pd.DataFrame:
        """Table with a row for each finding: code, severity, cause, evidence, fix, settings."""
        columns = ["code", "severity", "cause", "evidence", "fix", "lines"]
        rows = [[getattr(finding, column) for column in columns] for finding in self]
        return pd.DataFrame(rows, columns=[*columns[:-1], "settings"])

    @property
    def summary(self) -> str:
        """One line of the codes and what would mend them; an empty text where nothing is wrong."""
        return "; ".join(f"{finding.code} ({finding.lines or finding.fix})" for finding in self)

    def __str__(self) -> str:
        return "\n\n".join(map(str, self)) or "No problems were found."

    def _repr_html_(self) -> str:
        if not self:
            return f"<p>{escape(str(self))}</p>"
        with pd.option_context("display.max_colwidth", None):
            return self.table.to_html(index=False, escape=True)

    def __repr__(self) -> str:
        return f"Diagnosis({', '.join(self.codes)})"

    @overload
    def __getitem__(self, place: int) -> Finding: ...

    @overload
    def __getitem__(self, place: slice) -> Diagnosis: ...

    def __getitem__(self, place: int | slice) -> Finding | Diagnosis:
        return Diagnosis(self._findings[place]) if isinstance(place, slice) else self._findings[place]

    def __len__(self) -> int:
        return len(self._findings)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self._findings)
