"""A seeded population of players for the cognitive game, played through the real client.

Every number that decides an outcome is planted and kept, so that the leaderboard, the export and
the training can be compared with the truth. The model of one engaged trial of player ``p`` on item
``i`` is Rasch's for accuracy [1] and the lognormal one for response time [2]::

    theta' = ability_p + LEARNING * ln(1 + n / 10) - fatigue_p * s / 40
    P(correct) = 1 / (1 + exp(difficulty_i - theta'))
    pace = pace_type + 0.15 * difficulty_i - speed_p + 0.2 * fatigue_p * s / 40
    ln(rt_ms - 180) ~ Normal(pace, 0.30)

with ``n`` earlier trials of that task type and ``s`` earlier trials of the session. With probability
``lapse_p`` nothing is answered: a timeout, ``correct`` false and ``rt_ms`` null or -1. The 180 ms
are seeing and pressing. Bots answer by chance in 40-149 ms. A small share of events is sent twice,
under the same id.

[1] G. Rasch, Probabilistic Models for Some Intelligence and Attainment Tests, 1960.
[2] W. J. van der Linden, "A lognormal model for response times on test items", Journal of
    Educational and Behavioral Statistics 31 (2006), 181-204.
"""

from __future__ import annotations

import hashlib
import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np

from telemetry.client import Client

TASK_TYPES = {"stroop": 6.75, "flanker": 6.40, "n_back": 6.95, "switching": 6.85}  # ln(ms)
MODEL_VERSIONS = ("baseline_v1", "elo_pilot_v1")
LEARNING = 0.10
RESPONSE_SD = 0.30
SLOWEST_MS = 10_000
NON_DECISION_MS = 180  # seeing and pressing; what a person cannot be faster than
SHORTEST, LONGEST = 20, 60  # trials of a session
SLOT_SECONDS = 1800  # sessions of one player never overlap: 60 trials take at most 672 s
SLOTS_A_DAY = 48
CHUNK = 10  # players that one client plays: a game's installation


@dataclass(frozen=True, kw_only=True)
class Config:
    """What decides a population. ``end`` is the moment by which all play is over, in UTC."""

    players: int = 500
    trials: int = 200
    seed: int = 1
    days: int = 7
    end: datetime
    items_per_type: int = 40
    bots: float = 0.02
    repeats: float = 0.01

    def __post_init__(self) -> None:
        if self.players < 1 or self.trials < 1 or self.days < 1 or self.items_per_type < 1:
            raise ValueError("players, trials, days and items must be at least 1")
        if self.trials > SHORTEST * self.days * (SLOTS_A_DAY - 1):
            raise ValueError("so many trials do not fit into so few days")
        if self.end.tzinfo is None:
            raise ValueError("the end needs a time zone")


@dataclass(frozen=True)
class Item:
    item_id: str
    task_type: str
    difficulty: float  # logits


@dataclass(frozen=True)
class Player:
    user_id: str
    ability: float  # logits
    speed: float  # ln(ms) faster than the task's pace
    fatigue: float  # logits lost over 40 trials of one session
    lapse: float  # probability of a timeout
    bot: bool


@dataclass(frozen=True)
class Play:
    """Everything one player did: events in order of sending, repeats included, and the tally."""

    events: list[dict[str, Any]]
    tally: dict[str, Any]
    outcomes: list[tuple[float, bool]]  # planted probability of a correct answer, and the answer


class Population:
    """Items and players of a ``Config``; the same config always gives the same ones."""

    def __init__(self, config: Config) -> None:
        self.config = config
        rng = np.random.default_rng([config.seed, 0])
        self.items = [
            Item(f"{kind}-{config.seed}-{number:03d}", kind, round(float(value), 3))
            for kind in TASK_TYPES
            for number, value in enumerate(rng.normal(0.0, 1.0, config.items_per_type))
        ]
        self.players = list(self._players(rng))

    def _players(self, rng: np.random.Generator) -> Iterator[Player]:
        count = self.config.players
        # Abler players tend to be faster: correlation .4 of ability and speed.
        ability = rng.normal(0.7, 1.0, count)
        speed = 0.2 * (0.4 * (ability - 0.7) + np.sqrt(1 - 0.4**2) * rng.normal(size=count))
        fatigue = rng.gamma(2.0, 0.1, count)
        lapse = rng.beta(1.5, 60.0, count)
        bots = set(rng.permutation(count)[: round(self.config.bots * count)].tolist())
        for number in range(count):
            yield Player(
                f"sim{self.config.seed}-{number:05d}",
                round(float(ability[number]), 4),
                round(float(speed[number]), 4),
                round(float(fatigue[number]), 4),
                round(float(lapse[number]), 4),
                number in bots,
            )

    def play(self, number: int) -> Play:
        """All play of player ``number``, independent of every other player's."""
        config = self.config
        player = self.players[number]
        rng = np.random.default_rng([config.seed, 1, number])
        events: list[dict[str, Any]] = []
        outcomes: list[tuple[float, bool]] = []
        tally: Counter[str] = Counter()
        rt_sum = 0
        practice: Counter[str] = Counter()
        for visit, (start, length) in enumerate(self._sessions(rng)):
            session = {
                "user_id": player.user_id,
                "session_id": f"s_{start:%Y%m%d_%H%M%S}_{player.user_id}",
                "model_version": MODEL_VERSIONS[int(rng.integers(len(MODEL_VERSIONS)))],
            }
            kind = list(TASK_TYPES)[int(rng.integers(len(TASK_TYPES)))]
            choices = [item for item in self.items if item.task_type == kind]
            moment = start
            events.append(self._event(number, visit, -1, "session_start", moment, session, {}))
            for index in range(length):
                item = choices[int(rng.integers(len(choices)))]
                chance, correct, rt = _answer(player, item, practice[kind], index, rng)
                practice[kind] += 1
                waited = rt if rt is not None and rt >= 0 else 3000
                moment += timedelta(milliseconds=waited + int(rng.integers(600, 1200)))
                payload = {
                    "correct": correct,
                    "rt_ms": rt,
                    "task_type": kind,
                    "item_id": item.item_id,
                    "difficulty": item.difficulty,
                    "trial": index,
                }
                events.append(
                    self._event(number, visit, index, "task_result", moment, session, payload)
                )
                outcomes.append((chance, correct))
                tally["tasks"] += 1
                tally["correct"] += correct
                if rt is None or rt < 0:
                    tally["timeouts"] += 1
                else:
                    rt_sum += rt
                tally[f"version:{session['model_version']}"] += 1
                tally[f"type:{kind}"] += 1
                tally[f"day:{moment:%Y-%m-%d}"] += 1
            played = {"trials": length}
            events.append(self._event(number, visit, -2, "session_end", moment, session, played))
        sent = list(events)
        for index in np.flatnonzero(rng.random(len(events)) < config.repeats).tolist():
            sent.insert(int(rng.integers(index + 1, len(sent) + 1)), events[index])
        responses = tally["tasks"] - tally["timeouts"]
        return Play(
            sent,
            {
                **asdict(player),
                "tasks": tally["tasks"],
                "correct": tally["correct"],
                "timeouts": tally["timeouts"],
                "mean_rt_ms": round(rt_sum / responses, 3) if responses else None,
                "events": len(events),
                "repeats": len(sent) - len(events),
                "by_version": _named(tally, "version:"),
                "by_type": _named(tally, "type:"),
                "by_day": _named(tally, "day:"),
            },
            outcomes,
        )

    def _sessions(self, rng: np.random.Generator) -> list[tuple[datetime, int]]:
        """Start and length of each visit, oldest first: 20-60 trials, spread over the days."""
        lengths = []
        left = self.config.trials
        while left:
            length = min(left, int(rng.integers(SHORTEST, LONGEST + 1)))
            lengths.append(length)
            left -= length
        slots = self.config.days * (
            SLOTS_A_DAY - 1
        )  # none begins so late that it would pass the end
        chosen = np.sort(rng.choice(slots, len(lengths), replace=False))
        delays = rng.integers(0, 600, len(lengths))
        first = self.config.end - timedelta(days=self.config.days)
        return [
            (first + timedelta(seconds=int(slot) * SLOT_SECONDS + int(delay)), length)
            for slot, delay, length in zip(chosen, delays, lengths, strict=True)
        ]

    def _event(
        self,
        number: int,
        visit: int,
        index: int,
        event_type: str,
        moment: datetime,
        session: dict[str, Any],
        payload: dict[str, Any],
    ) -> dict[str, Any]:
        """Arguments of ``Client.track``; the id follows from what the event is."""
        name = f"{self.config.seed}/{self.config.end.isoformat()}/{number}/{visit}/{index}"
        return {
            "event_type": event_type,
            "event_id": "sim-" + hashlib.sha256(name.encode()).hexdigest()[:26],
            "event_ts": moment.astimezone(UTC),
            **session,
            "payload": payload,
        }


def _answer(
    player: Player, item: Item, practice: int, index: int, rng: np.random.Generator
) -> tuple[float, bool, int | None]:
    """Planted probability, answer and response time in ms (None or -1: a timeout) of one trial."""
    uniform, noise, lapse = float(rng.random()), float(rng.normal()), float(rng.random())
    if player.bot:
        return 0.5, uniform < 0.5, 40 + int(lapse * 110)
    tired = player.fatigue * index / 40
    theta = player.ability + LEARNING * float(np.log1p(practice / 10)) - tired
    chance = 1.0 / (1.0 + float(np.exp(item.difficulty - theta)))
    whole = chance * (1.0 - player.lapse)
    if lapse < player.lapse:
        return whole, False, None if uniform < 0.5 else -1
    pace = TASK_TYPES[item.task_type] + 0.15 * item.difficulty - player.speed + 0.2 * tired
    rt = min(SLOWEST_MS, NON_DECISION_MS + int(np.exp(pace + RESPONSE_SD * noise)))
    return whole, uniform < chance, rt


def _named(tally: Counter[str], prefix: str) -> dict[str, int]:
    return {
        name.removeprefix(prefix): count
        for name, count in sorted(tally.items())
        if name.startswith(prefix)
    }


def truth(population: Population, plays: Iterable[Play]) -> dict[str, Any]:
    """What was planted, ready for JSON: items, players with their tallies, and totals.

    ``oracle_log_loss`` is the mean of ``-ln P(what happened)`` in nats under the planted
    probabilities: no model of the same trials does better on average.
    """
    players: list[dict[str, Any]] = []
    totals: Counter[str] = Counter()
    versions: Counter[str] = Counter()
    loss = 0.0
    for play in plays:
        players.append(play.tally)
        for name in ("tasks", "correct", "timeouts", "events", "repeats"):
            totals[name] += play.tally[name]
        versions.update(play.tally["by_version"])
        loss -= sum(float(np.log(p if hit else 1.0 - p)) for p, hit in play.outcomes)
    config = asdict(population.config)
    return {
        "config": {**config, "end": population.config.end.isoformat()},
        "items": [asdict(item) for item in population.items],
        "players": players,
        "totals": {**totals, "players": len(players), "by_version": dict(sorted(versions.items()))},
        "oracle_log_loss": round(loss / max(1, totals["tasks"]), 6),
    }


def _deliver_chunk(
    config: Config, first: int, url: str, api_key: str, spool: str, timeout: float
) -> tuple[list[Play], dict[str, Any]]:
    """Play ``CHUNK`` players through one client; their plays and the client's counters."""
    population = Population(config)
    client = Client(
        url, api_key, "simulation", spool_dir=spool, flush_interval=1.0, adopt_interval=1e9
    )
    plays = []
    for number in range(first, min(first + CHUNK, config.players)):
        play = population.play(number)
        for event in play.events:
            client.track(**event)
        plays.append(play)
    client.close(timeout)
    stats = client.stats()
    stats["sent"] = sum(len(play.events) for play in plays)
    return plays, stats


@dataclass(frozen=True)
class Delivery:
    """What became of a simulation; ``counts`` sums the counters of every client."""

    truth: dict[str, Any]
    counts: dict[str, int]
    last_error: str

    @property
    def complete(self) -> bool:
        """Whether the server took every event that was sent."""
        return self.counts["delivered"] == self.counts["sent"] and not self.counts["quarantined"]


def simulate(
    *,
    config: Config,
    url: str,
    api_key: str,
    spool: Path,
    processes: int = 1,
    timeout: float = 30.0,
    progress: Callable[[int], object] = lambda events: None,
) -> Delivery:
    """Play the whole population through real clients against ``url``.

    ``spool`` is a directory that all clients share; ``timeout`` seconds bound each client's drain;
    ``progress`` is called with the number of events that became acknowledged.
    """
    firsts = range(0, config.players, CHUNK)
    shared = [repeat(value) for value in (url, api_key, str(spool), timeout)]
    plays: list[Play] = []
    counts: Counter[str] = Counter(dict.fromkeys(("sent", "delivered", "quarantined"), 0))
    last_error = ""

    def take(results: Iterable[tuple[list[Play], dict[str, Any]]]) -> None:
        """Add up until a client could not deliver: the next ones would wait for nothing."""
        nonlocal last_error
        for part, stats in results:
            plays.extend(part)
            last_error = stats.pop("last_error") or last_error
            counts.update(stats)
            progress(stats["delivered"])
            if counts["delivered"] < counts["sent"]:
                break

    if processes == 1:
        take(map(_deliver_chunk, repeat(config), firsts, *shared))
    else:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(processes, mp_context=context) as pool:
            take(pool.map(_deliver_chunk, repeat(config), firsts, *shared))
            pool.shutdown(cancel_futures=True)
    return Delivery(truth(Population(config), plays), dict(counts), last_error)
