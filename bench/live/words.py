"""How the fleet that is up speaks of times, to people."""


def span(seconds: float) -> str:
    """'0.4 s', '12 s', '2 min 05 s', '1 h 02 min'."""
    if seconds < 10:
        return f"{max(0.0, seconds):.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min"


def lasting(kind: str, heals_at: float | None, now_s: float) -> str:
    """Until when a fault lasts: 'heals in 5.0 s', 'until chaos heal'."""
    if kind == "reset":
        return "its connections are broken, new ones are welcome"
    if kind == "service-restart":
        return "until it answers again"
    if heals_at is None:
        return "stays dead until chaos heal" if kind == "kill" else "until chaos heal"
    left_s = heals_at - now_s
    if left_s < 0.05:
        return "healing"
    return f"starts again in {span(left_s)}" if kind == "kill" else f"heals in {span(left_s)}"
