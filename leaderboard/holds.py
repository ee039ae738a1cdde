"""Players who are held back from the board: by their play, until a person has decided."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from leaderboard import cells, suspicion
from leaderboard.cells import Session, State
from leaderboard.live import live
from leaderboard.models import HoldState, PlayerHold, PlaySession
from leaderboard.scoring import SUMS, Sums
from leaderboard.suspicion import OVERLAP_MS, Finding, Overlap

PAIRS_MOST = 10_000


def decide(hold: PlayerHold, *, state: str, by: Any, reason: str) -> bool:
    """Release or hide a player, or hold them again; False when somebody was faster.

    The update names the state that was seen, so of two people who decide at once one wins.
    """
    changed = PlayerHold.objects.filter(pk=hold.pk, state=hold.state).update(
        state=HoldState(state),
        decided_by=by,
        decided_at=timezone.now(),
        decision_note=reason[:300],
    )
    if changed:
        hold.refresh_from_db()
        transaction.on_commit(live.poke, robust=True)
    return bool(changed)


def hold_suspicious(user_ids: Iterable[str], *, sessions: Sequence[Session], state: State) -> None:
    """Hold back those players whose play looks odd; whoever has been held is left alone.

    `sessions` are those that have just got trials. Two statements for all of them together.
    """
    overlaps = overlaps_of(sessions, state) if sessions else {}
    found = {
        user_id: findings
        for user_id, sums in cells.totals(user_ids, state).items()
        if (findings := suspicion.judge(sums, overlaps.get(user_id)))
    }
    if found:
        hold(found)


def hold(found: dict[str, list[Finding]]) -> int:
    """Hold players with what was found, unless they have a hold, whatever its state; how many."""
    chosen, values = cells.texts(found)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT user_id FROM {PlayerHold._meta.db_table} WHERE user_id IN {chosen}",  # noqa: S608
            [values],
        )
        known = {row[0] for row in cursor.fetchall()}
    new = [
        PlayerHold(
            user_id=user_id,
            reason="; ".join(finding.text for finding in findings)[:300],
            evidence={finding.code: finding.evidence for finding in findings},
        )
        for user_id, findings in sorted(found.items())
        if user_id not in known
    ]
    PlayerHold.objects.bulk_create(new, ignore_conflicts=True, batch_size=500)
    return len(new)


# --- Overlapping sessions ------------------------------------------------------------------------


@cache
def _overlaps(vendor: str) -> str:
    """Pairs of a given session and another of its player with more than OVERLAP_MS in common."""
    table = PlaySession._meta.db_table
    least, most = ("min", "max") if vendor == "sqlite" else ("least", "greatest")
    given = (
        "(SELECT json_extract(value, '$[0]') AS user_id, json_extract(value, '$[1]') AS session_id"
        " FROM json_each(%s))"
        if vendor == "sqlite"
        else "(SELECT * FROM unnest(%s::text[], %s::text[]) AS given(user_id, session_id))"
    )
    return (
        "SELECT a.user_id, a.session_id, b.session_id, "  # noqa: S608
        f"{least}(a.last_ms, b.last_ms) - {most}(a.first_ms, b.first_ms) "
        f"FROM {given} AS g CROSS JOIN {table} AS a CROSS JOIN {table} AS b "
        "WHERE a.user_id = g.user_id AND a.session_id = g.session_id "
        "AND a.rule_version = %s AND a.build = %s "
        "AND b.user_id = a.user_id AND b.rule_version = a.rule_version AND b.build = a.build "
        "AND b.last_ms > a.first_ms AND b.session_id <> a.session_id "
        f"AND {least}(a.last_ms, b.last_ms) - {most}(a.first_ms, b.first_ms) > {OVERLAP_MS} "
        f"LIMIT {PAIRS_MOST}"
    )


def overlaps_of(sessions: Sequence[Session], state: State) -> dict[str, Overlap]:
    """What of these sessions overlaps with another of the same player, by player."""
    if connection.vendor == "sqlite":
        given: list[Any] = [cells.json_of(sessions)]
    else:
        given = [[user_id for user_id, _id in sessions], [one for _user, one in sessions]]
    with connection.cursor() as cursor:
        cursor.execute(_overlaps(connection.vendor), [*given, state.rule_version, state.build])
        rows = cursor.fetchall()
    return _by_player(rows)


def _by_player(rows: Iterable[tuple[str, str, str, int]]) -> dict[str, Overlap]:
    found: dict[str, tuple[int, tuple[str, str], set[tuple[str, str]]]] = {}
    for user_id, one, other, common in rows:
        pair = (min(one, other), max(one, other))
        longest, worst, pairs = found.get(user_id, (0, pair, set()))
        pairs.add(pair)
        if (common, pair) > (longest, worst):
            longest, worst = common, pair
        found[user_id] = (longest, worst, pairs)
    return {
        user_id: Overlap(worst, longest, len(pairs))
        for user_id, (longest, worst, pairs) in found.items()
    }


def judge_everybody(state: State) -> int:
    """Judge all players of a build by all that they played; how many are newly held."""
    sums = ", ".join(f"CAST(SUM({name}) AS bigint)" for name in SUMS)
    rows = (state.rule_version, state.build)
    overlaps = _all_overlaps(state)
    held = 0
    after = ""
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT user_id, {sums} FROM leaderboard_total WHERE user_id > %s "  # noqa: S608
                "AND rule_version = %s AND build = %s GROUP BY user_id ORDER BY user_id LIMIT 5000",
                [after, *rows],
            )
            page = cursor.fetchall()
        if not page:
            return held
        after = page[-1][0]
        found = {
            row[0]: findings
            for row in page
            if (findings := suspicion.judge(Sums(*row[1:]), overlaps.get(row[0])))
        }
        held += hold(found) if found else 0


def _all_overlaps(state: State) -> dict[str, Overlap]:
    """What overlaps with the session of the same player that began before it and ends last."""
    table = PlaySession._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT user_id FROM (SELECT user_id, first_ms, last_ms, "  # noqa: S608
            "MAX(last_ms) OVER (PARTITION BY user_id ORDER BY first_ms, last_ms "
            "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before "
            f"FROM {table} WHERE rule_version = %s AND build = %s) AS spans "
            f"WHERE before - first_ms > {OVERLAP_MS} AND last_ms - first_ms > {OVERLAP_MS} "
            "GROUP BY user_id",
            [state.rule_version, state.build],
        )
        players = [row[0] for row in cursor.fetchall()]
    found: dict[str, Overlap] = {}
    for start in range(0, len(players), 50):
        sessions = PlaySession.objects.filter(
            user_id__in=players[start : start + 50],
            rule_version=state.rule_version,
            build=state.build,
        ).values_list("user_id", "session_id")
        found |= overlaps_of(list(sessions), state)
    return found
