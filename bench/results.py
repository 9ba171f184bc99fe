"""The results directory: kept as trials end, complete at every moment, read by everything else.

    <date-time>-<name>/
        config.json  environment.json      what was asked; machine and versions
        trials/<strategy>/<scenario>/<k>/  trial.json history.parquet verdict.json metrics.json
                                           and logs/, the log of every process
        not-run.json                       cells without trials, and why
        matrix.csv  matrix.md  matrix.json
    latest -> the newest one

`<k>` is the timing, the size and the number of the trial: `equal-2s-n3-m10-k1`. A trial's directory
is written beside its place and renamed into it, so that it is there as a whole or not at all.
"""

import logging
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from bench.errors import BadArguments, BenchError, InvalidResults
from bench.history import merge, write_parquet
from bench.judge import Judgement, Verdict, judge, judge_trial, read_json
from bench.matrix import NotRun, Row, rows, to_csv, to_json, to_markdown
from bench.metrics import Metrics
from bench.record import RESULTS_VERSION, Cell, TrialRecord

if TYPE_CHECKING:
    from bench.loaded import Loaded


_LOG = logging.getLogger(__name__)


class ResultsNotKept(BenchError):
    """A result could not be written (a full disk, say); what was kept before is untouched."""


class Results:
    """One results directory, open for reading and for keeping more trials."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._said: set[str] = set()

    @classmethod
    def create(
        cls,
        parent: Path,
        name: str,
        *,
        now: datetime,
        config: Mapping[str, Any],
        environment: Mapping[str, Any],
    ) -> "Results":
        """Make `<parent>/<date-time>-<name>` and point `<parent>/latest` at it.

        Raises BadArguments where no directory can be made, ResultsNotKept where there is no room.
        """
        path = parent / f"{now:%Y%m%d-%H%M%S}-{name}"
        try:
            path.mkdir(parents=True)
        except OSError as error:
            raise BadArguments(
                f"{parent}: no results directory can be made there ({error.strerror}): choose "
                "another one with --out"
            ) from error
        with _keeping(path):
            _write(path / "config.json", {"version": RESULTS_VERSION, **config})
            _write(path / "environment.json", {"version": RESULTS_VERSION, **environment})
            _point(parent / "latest", path)
        return cls(path)

    @classmethod
    def adopt(
        cls,
        path: Path,
        config: Mapping[str, Any],
        environment: Mapping[str, Any],
        not_run: Iterable[NotRun],
    ) -> "Results":
        """Make a directory that holds trials a whole result set, with its matrix."""
        results = cls(path)
        with _keeping(path):
            _write(path / "config.json", {"version": RESULTS_VERSION, **config})
            _write(path / "environment.json", {"version": RESULTS_VERSION, **environment})
        results.keep_not_run(not_run)
        results.write_matrix()
        return results

    @classmethod
    def open(cls, path: Path) -> "Results":
        """Open a directory that `create` made; removes halves of trials that a kill left.

        Raises InvalidResults when it is none, or of another version.
        """
        results = cls.reading(path)
        for half in path.glob("trials/*/*/.*"):
            shutil.rmtree(half, ignore_errors=True)
        return results

    @classmethod
    def reading(cls, path: Path) -> "Results":
        """Open a directory only to read it; a bench may be writing there. Raises as `open`."""
        if not (path / "config.json").is_file():
            raise InvalidResults(
                f"{path}: not a results directory (it has no config.json); "
                "coordbench bench makes one"
            )
        results = cls(path)
        results.config  # noqa: B018 - checks the version
        return results

    @property
    def config(self) -> dict[str, Any]:
        """What was asked for, as `create` was told."""
        config: dict[str, Any] = read_json(self.path / "config.json", dict[str, Any])
        return config

    @property
    def environment(self) -> dict[str, Any]:
        """Machine and versions, as `create` was told."""
        environment: dict[str, Any] = read_json(self.path / "environment.json", dict[str, Any])
        return environment

    def trial_path(self, record: TrialRecord) -> Path:
        """Where a trial is kept."""
        timing = f"{record.timing.profile}-{record.timing.lease_s:g}s"
        size = f"n{record.instances}-m{record.jobs}-k{record.k}"
        return self.path / "trials" / record.strategy / record.scenario / f"{timing}-{size}"

    def keep(self, record: TrialRecord, events: Path, logs: Path | None = None) -> Judgement:
        """Judge the trial whose event files lie in `events`, and keep it with its history and logs.

        Raises InvalidResults for a history that cannot be read, ResultsNotKept when writing fails.
        """
        table, warnings = merge(events)
        judgement = judge(table, record, warnings)
        place = self.trial_path(record)
        with _keeping(place, self.path):
            place.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=place.parent, prefix=".half-") as half:
                whole = Path(half) / "trial"
                whole.mkdir()
                write_parquet(table, whole / "history.parquet")
                _write_judgement(whole, judgement)
                if logs is not None and logs.is_dir():
                    shutil.copytree(logs, whole / "logs")
                if place.exists():
                    place.rename(Path(half) / "replaced")
                whole.rename(place)
        return judgement

    def judge_again(self) -> Iterator[Judgement]:
        """Judge every kept trial anew by today's checks, and keep the new verdicts."""
        for place in self._places():
            judgement = judge_trial(place)
            with _keeping(place, self.path):
                _write_judgement(place, judgement)
            yield judgement

    def judgements(self) -> list[Judgement]:
        """The kept trials with their verdicts and figures, as they were judged; see `kept`."""
        return [judgement for _, judgement in self.kept()]

    def kept(self) -> list[tuple[Path, Judgement]]:
        """The kept trials with their places; what cannot be read is left out, and said once."""
        readable, unreadable = self.readable()
        for reason in unreadable:
            if reason not in self._said:
                _LOG.warning("could not be read and is left out: %s", reason)
        self._said.update(unreadable)
        return readable

    def readable(self) -> tuple[list[tuple[Path, Judgement]], list[str]]:
        """The trials that can be read, and why the others cannot, for whoever says so itself."""
        readable, unreadable = [], []
        for place in self._places():
            try:
                readable.append((place, _read_judgement(place)))
            except InvalidResults as error:
                unreadable.append(str(error))
        return readable, unreadable

    def trial_places(self) -> list[Path]:
        """Where the kept trials lie, those included that cannot be read."""
        return self._places()

    def judgement(self, place: Path) -> Judgement:
        """One kept trial with its verdict and figures; raises InvalidResults."""
        return _read_judgement(place)

    def finished(self) -> dict[tuple[Cell, int], Judgement]:
        """What a resumed bench need not do again: kept trials by cell and number."""
        return {(one.record.cell, one.record.k): one for one in self.judgements()}

    def keep_not_run(self, cells: Iterable[NotRun]) -> None:
        """Record the cells that cannot be run here, and why (replaces what was recorded)."""
        with _keeping(self.path, self.path):
            _write(self.path / "not-run.json", list(cells))

    def not_run(self) -> list[NotRun]:
        """The cells that could not be run."""
        path = self.path / "not-run.json"
        if not path.exists():
            return []
        try:
            return msgspec.json.decode(path.read_bytes(), type=list[NotRun])
        except msgspec.MsgspecError as error:
            raise InvalidResults(f"{path}: {error}") from error

    def rows(self) -> list[Row]:
        """The matrix, computed from the kept trials."""
        return rows(self.judgements(), self.not_run())

    def write_matrix(self) -> list[Row]:
        """Compute the matrix and write matrix.csv, matrix.md and matrix.json."""
        matrix = self.rows()
        with _keeping(self.path, self.path):
            _replace(self.path / "matrix.csv", to_csv(matrix).encode())
            _replace(self.path / "matrix.md", to_markdown(matrix).encode())
            _replace(self.path / "matrix.json", to_json(matrix).encode())
        return matrix

    def _places(self) -> list[Path]:
        found = self.path.glob("trials/*/*/*/trial.json")
        return sorted(path.parent for path in found if not path.parent.name.startswith("."))


def load(path: str | Path | None = None) -> "Loaded":
    """Open a results directory for analysis; a bench may still be writing there.

    `.matrix`, `.runs`, `.faults` and `.timeline(trial)` are data frames (docs/results.md). None is
    what the variable COORDBENCH_RESULTS names, else the published set of the repository. Raises
    InvalidResults, naming the command that makes one.
    """
    from bench.loaded import Loaded, find

    return Loaded(Results.reading(find(path)))


def _write_judgement(place: Path, judgement: Judgement) -> None:
    _write(place / "trial.json", judgement.record)
    _write(place / "verdict.json", judgement.verdict)
    _write(place / "metrics.json", judgement.metrics)


def _read_judgement(place: Path) -> Judgement:
    record = read_json(place / "trial.json", TrialRecord)
    verdict = read_json(place / "verdict.json", Verdict)
    known = verdict.status != "unknown"
    return Judgement(record, verdict, read_json(place / "metrics.json", Metrics) if known else None)


def _write(path: Path, value: Any) -> None:
    _replace(path, msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")


def _replace(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, never half of it."""
    half = path.with_name(f".{path.name}.half")
    half.write_bytes(content)
    half.replace(path)


def _point(link: Path, target: Path) -> None:
    """Make `link` a symbolic link to its neighbour `target`, whatever it was before."""
    half = link.with_name(f".{link.name}.half")
    half.unlink(missing_ok=True)
    half.symlink_to(target.name)
    os.replace(half, link)


@contextmanager
def _keeping(place: Path, results: Path | None = None) -> Iterator[None]:
    """An error in writing `place` as one line; `results` is what can be resumed, if anything is."""
    try:
        yield
    except OSError as error:
        way_out = "make room there, or choose another place"
        if results is not None:
            way_out = (
                "trials kept before are untouched; once there is room: "
                f"coordbench bench --resume {results}"
            )
        raise ResultsNotKept(
            f"{place}: could not be written ({error.strerror}); {way_out}"
        ) from error
