"""What the whole machine spent, so that a trial on a saturated one is not taken for its strategy.

Work of lower priority (nice) gives way, so it counts as time that was to be had.
"""

import psutil

MACHINE = "machine"  # whose counters these are
SATURATED = "the machine was saturated"  # how verdicts and notes begin to say so
BUSY, SPENT = "busy_s_total", "core_s_total"


def spent() -> dict[str, float]:
    """Seconds of all cores since the start of the system, and those that ordinary work took."""
    times = psutil.cpu_times()._asdict()
    whole = sum(times[name] for name in times if not name.startswith("guest"))  # in user already
    free = times["idle"] + times["iowait"] + times["nice"]
    return {BUSY: whole - free, SPENT: whole}
