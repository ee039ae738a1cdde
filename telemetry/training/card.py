"""The model card: what a version is for, what it was made from, how good it is, and its limits.

After M. Mitchell et al., "Model Cards for Model Reporting", FAT* 2019. Markdown in the language that
is active; everything comes from the registry row, so a card can be written again at any time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

MODELS: dict[str, Any] = {
    "item_mean": gettext_lazy("item mean"),
    "elo": "Elo",
    "logistic": gettext_lazy("logistic regression"),
}
_MARKS = re.compile(r"([\\`*_{}\[\]<>|~&])")  # what means something within a line


def render(*, name: str, kind: str, metrics: dict[str, Any], manifest: dict[str, Any]) -> str:
    """The card of a version that training made."""
    mine = metrics["models"][kind]
    lines = [
        f"# {plain(name)}",
        "",
        *_purpose(kind),
        *_data(manifest),
        *_judged(kind, metrics, mine),
        *_groups(mine),
        *_limits(),
        *_made(manifest),
    ]
    return "\n".join(lines) + "\n"


def plain(text: str | None) -> str:
    """A name from outside as text of Markdown: no mark in it means anything."""
    if text is None:
        return _("all others")
    if not text:
        return _("(none)")
    short = " ".join(text.split())[:80]
    return _MARKS.sub(r"\\\1", short)


def interval(estimate: dict[str, Any], *, sign: bool = False) -> str:
    """``0.6931 (0.6801 to 0.7061)``."""
    form = "{:+.4f}" if sign else "{:.4f}"
    if estimate["value"] is None:
        return _("undefined")
    value = form.format(estimate["value"])
    if estimate["low"] is None:
        return value
    low, high = form.format(estimate["low"]), form.format(estimate["high"])
    return _("%(value)s (%(low)s to %(high)s)") % {"value": value, "low": low, "high": high}


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    ruler = ["---", *["---:"] * (len(head) - 1)]
    return [f"| {' | '.join(cells)} |" for cells in (head, ruler, *rows)] + [""]


def _purpose(kind: str) -> list[str]:
    how = {
        "item_mean": _(
            "It predicts the share of trials that were solved on the item, shrunk to the share of "
            "all, whoever plays."
        ),
        "elo": _(
            "It rates players against items (Elo with a decaying gain). Difficulties are frozen; "
            "a player starts at 0 and is followed trial by trial."
        ),
        "logistic": _(
            "It is a logistic regression with an L2 penalty on the item, the task type and the "
            "logarithms of how often the player solved and failed before: in all, on the task "
            "type and on the item."
        ),
    }[kind]
    return [
        "## " + _("Intended use"),
        "",
        _(
            "It predicts the probability that a player solves the next trial of the game, so that "
            "the game can choose trials of a fitting difficulty."
        )
        + " "
        + how,
        "",
        _(
            "It is not made for judging people: neither for hiring, nor for a ranking, nor for "
            "any diagnosis."
        ),
        "",
    ]


def _data(manifest: dict[str, Any]) -> list[str]:
    snapshot, split = manifest["snapshot"], manifest["split"]
    return [
        "## " + _("Data"),
        "",
        _(
            "Snapshot of %(rows)d events up to number %(as_of)d, of which %(trials)d are trials, "
            "played from %(first)s to %(last)s."
        )
        % {
            "rows": snapshot["rows"],
            "as_of": snapshot["as_of"],
            "trials": snapshot["trials"],
            "first": (snapshot["first_ts"] or "-")[:10],
            "last": (snapshot["last_ts"] or "-")[:10],
        },
        "",
        _(
            "Trained on %(trials)d trials of %(users)d players before %(cut)s UTC. Tested on "
            "%(test_trials)d trials of %(test_users)d other players from that moment on: the model "
            "saw neither these players nor anything of that time. What it learns about a player "
            "during the test comes from that player's trials before. Later play of the players it "
            "was trained on is not used."
        )
        % {
            "trials": split["train"]["trials"],
            "users": split["train"]["users"],
            "cut": split["cut"][:16].replace("T", " "),
            "test_trials": split["test"]["trials"],
            "test_users": split["test"]["users"],
        },
        "",
    ]


def _judged(kind: str, metrics: dict[str, Any], mine: dict[str, Any]) -> list[str]:
    head = [
        _("Model"), "AUC", _("Log-loss"), _("Brier score"), "ECE", _("Gain in log-loss"),
    ]  # fmt: skip
    rows = []
    for name, one in metrics["models"].items():
        label = str(MODELS[name]) if name != kind else f"**{MODELS[name]}**"
        cells = [interval(one[metric]) for metric in ("auc", "log_loss", "brier", "ece")]
        gain = interval(one["gain"]["log_loss"], sign=True) if "gain" in one else "–"
        rows.append([label, *cells, gain])
    bins = [
        [
            f"{one['from']:.1f} – {one['to']:.1f}",
            str(one["trials"]),
            f"{one['predicted']:.3f}",
            interval(one["observed"]),
        ]
        for one in mine["reliability"]
    ]
    return [
        "## " + _("Metrics"),
        "",
        _(
            "On the test trials, with 95 %% intervals from %(draws)d draws of whole players. The "
            "gain is over the item mean, in nats a trial; above 0 is better."
        )
        % {"draws": metrics["bootstrap"]},
        "",
        *_table(head, rows),
        "## " + _("Calibration"),
        "",
        _("What was predicted and what happened; the plot is in calibration.svg."),
        "",
        *_table([_("Predicted"), _("Trials"), _("Mean prediction"), _("Share solved")], bins),
    ]


def _groups(mine: dict[str, Any]) -> list[str]:
    head = [_("Trials"), _("Players"), _("Share solved"), "AUC", _("Log-loss"), "ECE"]
    head.append(_("Gain in log-loss"))
    lines = ["## " + _("By group"), ""]
    lines += [
        _(
            "The same model by the version that the game played with and by task type. A group "
            "whose gain is below 0, or whose calibration error is large, is served worse than the "
            "whole. Nothing is known here about age, language or disability, so nothing is said "
            "about fairness between people."
        ),
        "",
    ]
    for group, title in (("by_version", _("Served version")), ("by_task_type", _("Task type"))):
        rows = [
            [
                plain(one["name"]),
                str(one["trials"]),
                str(one["users"]),
                f"{one['share_solved']:.3f}",
                "–" if one["auc"] is None else f"{one['auc']:.3f}",
                interval(one["log_loss"]),
                f"{one['ece']:.3f}",
                interval(one["gain"], sign=True),
            ]
            for one in mine[group]
        ]
        lines += _table([title, *head], rows)
    return lines


def _limits() -> list[str]:
    return [
        "## " + _("Limits"),
        "",
        "- "
        + _("An item or task type that was not in the training data is predicted by the average."),
        "- "
        + _(
            "Trials were chosen by the versions that were served, not at random: where the game "
            "shows other trials than before, the metrics may not hold."
        ),
        "- "
        + _(
            "Whether a trial was solved says nothing about why: fatigue, a bad connection and "
            "somebody else at the keyboard look the same. Bots are not left out."
        ),
        "- " + _("Response times are not used, beyond that a timeout is not solved."),
        "",
    ]


def _made(manifest: dict[str, Any]) -> list[str]:
    rows = [
        [_("Seed"), str(manifest["seed"])],
        [_("Snapshot"), f"`{manifest['snapshot']['sha256']}`"],
        [_("Code version"), f"`{manifest['code']}`"],
        [_("Rule of trials"), str(manifest["rule_version"])],
        [_("Parameters"), f"`{manifest['files']['model.json']}`"],
    ]
    return [
        "## " + _("How it was made"),
        "",
        *_table([_("What"), _("Value")], rows),
        _("The same snapshot, configuration and code give the same bytes."),
        "",
    ]


def reasons(report: dict[str, Any]) -> list[str]:
    """Why the gate did not let a version pass, for a person."""
    texts = {
        "not_better": _("the gain in log-loss is not surely above 0"),
        "miscalibrated": _("the calibration error is above %(max)s") % {"max": report["max_ece"]},
        "few_players": _("%(players)d test players are fewer than %(min)d")
        % {"players": report["players"], "min": report["min_players"]},
        "no_interval": _("there is no interval without bootstrap draws"),
    }
    return [texts[code] for code in report["reasons"]]
