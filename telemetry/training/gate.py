"""The gate: whether a model may become the champion, and if not, why.

A model passes when on the test trials its gain in log-loss over the current champion has a 95 %
interval above 0, its calibration error is at most ``MAX_ECE``, and the test has enough players for
intervals by players to hold: with few clusters they are too narrow (A. C. Cameron, J. B. Gelbach
and D. L. Miller, "Bootstrap-based improvements for inference with clustered errors", Review of
Economics and Statistics 90 (2008), 414-427, who call 5 to 30 few).

Without a champion, and against the game's own baseline, which predicts nothing, the item mean of
the same run stands in. A champion that learned from the test players or from their future is
judged too kindly, never too harshly: the gate is then harder to pass.
"""

from __future__ import annotations

from typing import Any

MAX_ECE = 0.03
MIN_PLAYERS = 30
REASONS = ("not_better", "miscalibrated", "few_players", "no_interval")


def judge(*, gain: dict[str, Any], ece: float | None, players: int, against: str) -> dict[str, Any]:
    """The verdict as JSON: ``passed``, ``reasons`` (codes of ``REASONS``) and what they rest on.

    ``gain``: value, low and high in nats a trial, positive where the candidate is better.
    """
    reasons = []
    if gain["low"] is None:
        reasons.append("no_interval")
    elif gain["low"] <= 0:
        reasons.append("not_better")
    if ece is None or ece > MAX_ECE:
        reasons.append("miscalibrated")
    if players < MIN_PLAYERS:
        reasons.append("few_players")
    return {
        "passed": not reasons,
        "reasons": reasons,
        "against": against,
        "gain": gain,
        "ece": ece,
        "players": players,
        "max_ece": MAX_ECE,
        "min_players": MIN_PLAYERS,
    }
