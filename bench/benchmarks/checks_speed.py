"""How fast histories are judged: `python -m bench.benchmarks.checks_speed [RUNS ...]`.

Judges the columns of made-up histories (1 M and 10 M runs by default), each in a process of its
own, and reports seconds, peak memory and how the time grows; beside it how long the first one
takes to be read from parquet.
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from bench.checks.columns import (
    NO_END,
    NO_FENCE,
    SUCCEEDED,
    Calls,
    Columns,
    Due,
    Effects,
    Header,
    Jobs,
    Ownership,
    Runs,
    Skips,
)
from bench.checks.outcomes import judge_fires
from bench.checks.reading import columns as read_columns
from bench.history import SCHEMA, read_parquet, write_parquet

JOBS = 1000
INSTANCES = 50
ALLOWED_S = {1_000_000: 1.0, 10_000_000: 5.0}
ALLOWED_GB = 4.0
BEGIN_MS = 1_800_000_000_000


def made_up(runs: int, seed: int = 1) -> Columns:
    """`runs` runs of 1,000 jobs in order of time; 1 % run another fire, 1 % never end."""
    rng = np.random.default_rng(seed)
    ticks = runs // JOBS
    job = np.tile(np.arange(JOBS, dtype=np.int32), ticks)
    due_ms = BEGIN_MS + np.repeat(np.arange(ticks, dtype=np.int64) * 1000, JOBS)
    start_s = due_ms / 1000 + rng.uniform(0, 0.9, len(job))
    again = rng.random(len(job)) < 0.01
    due_ms[again] -= np.where(due_ms[again] > BEGIN_MS, 1000, 0)
    order = np.argsort(start_s)
    status = np.where(rng.random(len(job)) < 0.01, NO_END, SUCCEEDED).astype(np.int8)
    length_s = rng.uniform(0.01, 0.09, len(job))
    end_s = np.where(status == NO_END, np.nan, start_s[order] + length_s)
    return _columns(
        Due(job, BEGIN_MS + np.repeat(np.arange(ticks, dtype=np.int64) * 1000, JOBS)),
        Runs(
            job=job[order],
            due_ms=due_ms[order],
            instance=rng.integers(0, INSTANCES, len(job), dtype=np.int32),
            start_s=start_s[order],
            end_s=end_s,
            status=status,
            fence=np.full(len(job), NO_FENCE, np.int64),
        ),
        until_s=BEGIN_MS / 1000 + ticks + 10,
    )


def judge_once(runs: int) -> None:
    """Judge one history and print `seconds peak_gb`."""
    columns = made_up(runs)
    begun = time.perf_counter()
    judge_fires(columns)
    seconds = time.perf_counter() - begun
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    sys.stdout.write(f"{seconds} {peak_gb}\n")


def read_once(runs: int) -> tuple[float, float, float]:
    """Seconds to read a history of `runs` runs from parquet and to make columns; MB on disk."""
    columns = made_up(runs)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "history.parquet"
        write_parquet(as_table(columns), path)
        begun = time.perf_counter()
        table = read_parquet(path)
        read = time.perf_counter()
        read_columns(table)
        return read - begun, time.perf_counter() - read, path.stat().st_size / 2**20


def as_table(columns: Columns) -> pa.Table:
    """The history as the wide table that would be read from disk, runs in order of time."""
    runs, due = columns.runs, columns.due
    names = pa.array([f"run-{number}" for number in range(len(runs.job))])
    jobs, ended = pa.array(columns.jobs.names), ~np.isnan(runs.end_s)
    hosts = pa.array(columns.instances)
    header = {"type": ["history"], "t": [0.0], "version": [1], "until_s": [2e9], "lease_s": [2.0]}
    parts = [
        header | {"instances": [0]},
        {"type": ["job-declared"] * JOBS, "t": np.zeros(JOBS), "job": jobs}
        | {"overlap": ["forbid"] * JOBS, "misfire": ["run-latest"] * JOBS},
        {"type": ["due"] * len(due.job), "t": due.ms / 1000, "job": jobs.take(pa.array(due.job))}
        | {"due_ms": due.ms},
        {"type": ["run-started"] * len(names), "t": runs.start_s, "run": names}
        | {"job": jobs.take(pa.array(runs.job)), "due_ms": runs.due_ms}
        | {"instance": hosts.take(pa.array(runs.instance))},
        {"type": ["run-ended"] * int(ended.sum()), "t": runs.end_s[ended]}
        | {"run": names.filter(pa.array(ended)), "status": ["succeeded"] * int(ended.sum())},
    ]
    tables = [
        pa.table(part, schema=pa.schema([field for field in SCHEMA if field.name in part]))
        for part in parts
    ]
    return pa.concat_tables([SCHEMA.empty_table(), *tables], promote_options="default")


def main() -> None:
    """Measure every size, the smallest also from parquet."""
    sizes = [int(size) for size in sys.argv[1:]] or list(ALLOWED_S)
    for size in sizes:
        command = [sys.executable, "-c", f"from {__spec__.name} import *; judge_once({size})"]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        seconds, peak_gb = map(float, said.split())
        allowed = f" (at most {ALLOWED_S[size]:.0f} s)" if size in ALLOWED_S else ""
        sys.stdout.write(
            f"{size:>11,} runs judged in {seconds:.2f} s{allowed}, {size / seconds / 1e6:.1f} M/s, "
            f"peak {peak_gb:.1f} GB (at most {ALLOWED_GB:.0f} GB)\n"
        )
    read_s, columns_s, mb = read_once(min(sizes))
    sys.stdout.write(
        f"{min(sizes):>11,} runs read from {mb:.0f} MB of parquet in {read_s:.2f} s, "
        f"made into columns in {columns_s:.2f} s\n"
    )


def _columns(due: Due, runs: Runs, until_s: float) -> Columns:
    ints, codes, bits = np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.bool_)
    none, small = np.empty(0), np.empty(0, np.int8)
    return Columns(
        header=Header(until_s=until_s, lease_s=2.0, instances=0),
        jobs=Jobs(
            names=tuple(f"job-{number:04}" for number in range(JOBS)),
            period_s=np.full(JOBS, 1.0),
            forbid=np.ones(JOBS, np.bool_),
            misfire=np.zeros(JOBS, np.int8),
            tries=np.ones(JOBS, np.int64),
        ),
        instances=tuple(f"i{number}" for number in range(INSTANCES)),
        due=due,
        runs=runs,
        skips=Skips(codes, ints, none, small),
        effects=Effects(codes, ints, bits, bits),
        calls=Calls(none, codes, codes, ints, none, ints, codes, bits, bits, ()),
        ownership=Ownership(none, codes, codes, bits, small),
    )


if __name__ == "__main__":
    main()
