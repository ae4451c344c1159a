"""Page of one run, or of several side by side, as one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from recsys_nn._version import __version__
from recsys_nn.errors import OR_OVERWRITE, ArtifactError, ConfigError
from recsys_nn.experiment import all_of, opened_by_name, sorts
from recsys_nn.files import atomic_file
from recsys_nn.runs import Concluded, FinishedRun

GENERATOR = "recsys_nn report"
_MARK = f'<meta name="generator" content="{GENERATOR}'
SUFFIX = "-report.html"


Run = FinishedRun | Concluded | str | Path


@dataclass(frozen=True)
class Report:
    """A page on one run or several; a notebook shows it.

    Attributes:
        html: the whole page as HTML.
        title: title of the page.

    Example:
        >>> report = rn.build_report("runs/svd")
        >>> report.title, report.html[:15]
        ('svd: svd', '<!doctype html>')
    """

    html: str = field(repr=False)
    title: str

    def save(self, file: str | Path, *, overwrite: bool = False) -> Path:
        """Writes the page; a former report in its place is replaced.

        Args:
            file: path of the file to write.
            overwrite: whether something else in its place is replaced too.

        Raises:
            ArtifactError: where something else is there, or the disk refuses.
        """
        place = Path(file)
        if place.is_dir():
            raise ArtifactError(f"{place} is a folder: name a file, such as {place}{SUFFIX}")
        if place.exists() and not overwrite and not _is_report(place):
            raise ArtifactError(f"{place} exists and is not a report: {OR_OVERWRITE}")
        with atomic_file(place) as stream:
            stream.write(self.html.encode())
        return place

    def _repr_html_(self) -> str:
        """Puts the page into a frame of its own, whose style does not touch the notebook's."""
        return f'<iframe srcdoc="{escape(self.html)}" style="width:100%;height:80vh;border:0"></iframe>'


def build_report(runs: Run | Sequence[Run] | Mapping[str, Run]) -> Report:
    """Builds the page of a run, or of several that are compared on the test part that they share.

    It stands by itself: no request goes out from it. What it shows was kept by the runs; no data are read again.

    Args:
        runs: a run folder, what ``rn.run_experiment`` gave, or several of them in a list or by name.

    Raises:
        ConfigError: for what is no finished run.
        ArtifactError: of a run folder that cannot be used.
        DataError: where several runs have not kept predictions of the same test part.

    Example:
        >>> rn.build_report("runs/svd").save("svd.html").name
        'svd.html'
        >>> result = rn.run_experiment("run.yaml", overrides=["model={kind: bias}", "output=null"], progress=False)
        >>> rn.build_report({"svd": "runs/svd", "biases": result}).title
        '2 runs compared'
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    from recsys_nn.report.formatting import fixed, signed, with_code
    from recsys_nn.report.several import several_runs
    from recsys_nn.report.single import single_run

    listed = runs if isinstance(runs, Mapping | Sequence) and not isinstance(runs, str) else [runs]
    opened = opened_by_name(listed)
    finished = all_of(FinishedRun, opened)
    if not finished:
        raise ConfigError(f"a report needs one finished run or more: {sorts(opened) or 'there is none'}")
    environment = Environment(
        loader=PackageLoader("recsys_nn.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"fixed": fixed, "signed": signed, "with_code": with_code}
    if len(finished) == 1:
        ((name, run),) = finished.items()
        template, content = "single.html.j2", single_run(name, run)
    else:
        template, content = "several.html.j2", several_runs(finished)
    html = environment.get_template(template).render(**content, generator=f"{GENERATOR} {__version__}")
    return Report(html, content["title"])


def default_place(run: str | Path) -> Path:
    """Place of a run's report beside its folder: ``runs/svd-report.html`` for ``runs/svd``."""
    folder = Path(run).absolute()
    return folder.with_name(folder.name + SUFFIX)


def _is_report(file: Path) -> bool:
    with file.open("rb") as stream:
        return _MARK.encode() in stream.read(1000)
