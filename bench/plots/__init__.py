"""One look for every picture of the project, and the few drawings that several notebooks share."""

from bench.plots.drawing import ecdf, end_labels, heatmap, intervals, timeline
from bench.plots.style import Look, in_order, look, use

__all__ = [
    "Look", "ecdf", "end_labels", "heatmap", "in_order", "intervals", "look", "timeline", "use",
]  # fmt: skip
