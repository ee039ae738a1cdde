"""The calibration plot: what was predicted against what happened, as SVG and nothing else."""

from __future__ import annotations

from typing import Any

from django.template.loader import render_to_string

SIZE, LEFT, TOP = 300, 56, 16  # of the square in which probabilities lie


def svg(reliability: list[dict[str, Any]]) -> str:
    """The plot of ``metrics.reliability``; the same bytes for the same table and language.

    A point is a bin of predictions, as large as its number of trials (area), with the 95 % interval
    of the share solved. On the diagonal a model is perfectly calibrated.
    """
    largest = max((bin_["trials"] for bin_ in reliability), default=1)
    points = []
    for bin_ in reliability:
        observed = bin_["observed"]
        low, high = observed["low"], observed["high"]
        points.append(
            {
                "x": _x(bin_["predicted"]),
                "y": _y(observed["value"]),
                "low": None if low is None else _y(low),
                "high": None if high is None else _y(high),
                "radius": f"{3 + 6 * (bin_['trials'] / largest) ** 0.5:.2f}",
            }
        )
    ticks = [
        {"label": f"{tenth / 10:.1f}", "x": _x(tenth / 10), "y": _y(tenth / 10)}
        for tenth in range(0, 11, 2)
    ]
    context = {
        "points": points,
        "ticks": ticks,
        "line": " ".join(f"{p['x']},{p['y']}" for p in points),
    }
    return render_to_string("telemetry/calibration.html", context)


def _x(share: float) -> str:
    return f"{LEFT + SIZE * share:.2f}"


def _y(share: float) -> str:
    return f"{TOP + SIZE * (1 - share):.2f}"
