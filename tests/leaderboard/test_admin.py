"""Standings, the board and player holds on the desk."""

from __future__ import annotations

import csv
import io

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from leaderboard import holds, standings
from leaderboard.models import PlayerHold
from tests.desk import EVIL, address, elements, inline_scripts, page_of, signed_in, staff, standing

pytestmark = pytest.mark.django_db

STANDINGS, HOLDS = "leaderboard.Standing", "leaderboard.PlayerHold"


@pytest.fixture
def analyst(db) -> Client:
    return signed_in(staff("analyst", "Analysts"))


@pytest.fixture
def recruiter(db) -> Client:
    return signed_in(staff("recruiter", "Recruiters"))


def hold(user_id: str = "u_1", **fields) -> PlayerHold:
    return PlayerHold.objects.create(user_id=user_id, reason="odd", **fields)


# --- Standings and the board --------------------------------------------------------------------


def test_standings_are_filtered(analyst):
    one = standing(user_id="u_1", day="2026-03-01", task_type="flanker")
    two = standing(user_id="u_2", day="2026-03-02")

    def rows(query):
        return list(analyst.get(address(STANDINGS) + query).context["cl"].result_list)

    assert rows("") == [two, one]
    assert rows("?user_id__exact=u_1") == rows("?task_type__exact=flanker") == [one]
    assert rows("?day_from=2026-03-02") == [two]
    assert rows("?day_to=2026-03-01") == [one]
    assert rows("?q=u_2") == [two]


def test_the_board_of_the_desk_is_the_public_one(analyst):
    for number in range(3):
        standing(user_id=f"u_{number}", points_milli=1000 * number)
    standing(user_id="few", trials=5)
    standing(user_id="held")
    hold("held")
    answer = analyst.get(address(STANDINGS, "board"))
    assert answer.context["rows"] == standings.board()
    assert [row["user_id"] for row in answer.context["rows"]] == ["u_2", "u_1", "u_0"]
    assert answer.context["off"] == 1
    fewer = analyst.get(address(STANDINGS, "board") + "?min_tasks=1&limit=500")
    assert len(fewer.context["rows"]) == 4


def test_the_board_takes_any_filter(analyst):
    standing(user_id=EVIL)
    for query in ("?limit=x", "?min_tasks=-3", "?window=year", f"?task_type={EVIL}", "?limit=7"):
        html = analyst.get(address(STANDINGS, "board") + query).content.decode()
        assert inline_scripts(html) == []


def test_standings_are_exported(analyst):
    standing(user_id="=cmd", points_milli=12_000, trials=40)
    page = analyst.get(address(STANDINGS, "export"))
    data = {name: "on" for name in page.context["form"].fields if name.startswith("standing")}
    answer = analyst.post(address(STANDINGS, "export"), data | {"format": "0", "resource": "0"})
    (row,) = csv.DictReader(io.StringIO(answer.content.decode()))
    assert (row["user_id"], row["trials"], row["points_milli"]) == ("'=cmd", "40", "12000")
    assert (row["mean_points"], row["mean_rt_ms"]) == ("0.3", "1000.0")


@pytest.mark.parametrize("path", ["changelist", "board", "export"])
def test_a_recruiter_sees_no_standings(recruiter, path):
    assert recruiter.get(address(STANDINGS, path)).status_code == 403


# --- Holds --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("page", "state"), [("release_one", "released"), ("hide_one", "hidden")])
def test_a_decision_needs_a_reason(analyst, page, state):
    row = hold()
    assert analyst.get(page_of(row, page)).status_code == 200
    assert analyst.post(page_of(row, page), {"reason": ""}).context["form"].errors
    row.refresh_from_db()
    assert row.state == "held"
    answer = analyst.post(page_of(row, page), {"reason": "looked at the trials"})
    assert (answer.status_code, answer["Location"]) == (302, page_of(row))
    row.refresh_from_db()
    assert (row.state, row.decision_note, str(row.decided_by)) == (
        state, "looked at the trials", "analyst",
    )  # fmt: skip
    assert row.decided_at is not None
    assert LogEntry.objects.get().change_message == f"{state}: looked at the trials"


def test_a_released_player_is_back_on_the_board(analyst):
    standing(user_id="u_1")
    row = hold("u_1")
    assert standings.board() == []
    analyst.post(page_of(row, "release_one"), {"reason": "a person"})
    assert [player["user_id"] for player in standings.board()] == ["u_1"]


def test_several_are_decided_with_one_reason(analyst):
    rows = [hold(f"u_{number}") for number in range(3)]
    chosen = {"action": "hide", "_selected_action": [str(row.pk) for row in rows[:2]]}
    asked = analyst.post(address(HOLDS), chosen)
    assert asked.status_code == 200
    assert PlayerHold.objects.filter(state="held").count() == 3
    data: dict[str, list[str]] = {"reason": ["bots"]}
    for tag, attrs in elements(asked.content.decode()):
        if tag == "input" and attrs.get("type") == "hidden":
            data.setdefault(attrs["name"] or "", []).append(attrs.get("value") or "")
    empty = analyst.post(address(HOLDS), data | {"reason": [""]})
    assert empty.status_code == 200
    assert PlayerHold.objects.filter(state="held").count() == 3
    analyst.post(address(HOLDS), data)
    assert set(PlayerHold.objects.values_list("user_id", "state")) == {
        ("u_0", "hidden"), ("u_1", "hidden"), ("u_2", "held"),
    }  # fmt: skip


def test_of_two_decisions_at_once_one_holds(analyst):
    first, second = hold(), PlayerHold.objects.get()
    by = staff("grace")
    assert holds.decide(first, state="released", by=by, reason="a")
    assert not holds.decide(second, state="hidden", by=by, reason="b")
    assert PlayerHold.objects.get().state == "released"


def test_a_player_is_held_by_hand(analyst):
    analyst.post(address(HOLDS, "add"), {"user_id": "u_9", "reason": "a tip"})
    row = PlayerHold.objects.get()
    assert (row.user_id, row.state, row.reason) == ("u_9", "held", "a tip")


def test_whoever_may_only_look_decides_nothing():
    from django.contrib.auth.models import Permission

    user = staff("viewer")
    user.user_permissions.add(Permission.objects.get(codename="view_playerhold"))
    client, row = signed_in(user), hold()
    assert client.get(page_of(row)).status_code == 200
    for page in ("release_one", "hide_one"):
        assert client.get(page_of(row, page)).status_code == 403
        assert client.post(page_of(row, page), {"reason": "x"}).status_code == 403
    chosen = {
        "action": "release",
        "_selected_action": [str(row.pk)],
        "confirmed": "1",
        "reason": "x",
    }
    client.post(address(HOLDS), chosen)
    row.refresh_from_db()
    assert row.state == "held"
    assert client.get(address(HOLDS, "add")).status_code == 403


def test_a_hold_is_not_edited_or_deleted(analyst):
    row = hold()
    assert analyst.post(page_of(row), {"state": "released"}).status_code == 403
    assert analyst.post(page_of(row, "delete"), {"post": "yes"}).status_code == 403
