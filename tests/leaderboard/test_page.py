from __future__ import annotations

import re
from datetime import date

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from leaderboard.chart import histogram, line, nice_step, sparkline
from leaderboard.models import PlayerHold
from tests.browser import PHONE, browser, overflow, site, violations
from tests.desk import standing
from tests.interviews.chat_tools import until

__all__ = ["browser", "site"]


def player(user_id, *, trials=120, accuracy=0.9, rt=900, **fields):
    """Standings of a player with even trials."""
    correct = round(trials * accuracy)
    milli = round((2 * accuracy - 1) * (1 - rt / 3000) * 1000)
    return standing(
        **{
            "user_id": user_id,
            "model_version": "baseline_v1",
            "trials": trials,
            "correct": correct,
            "rt_count": trials,
            "rt_sum_ms": rt * trials,
            "rt_sq_sum": (rt * rt + 200 * 200) * trials,
            "points_milli": milli * trials,
            "points_sq": (milli * milli + 300 * 300) * trials,
            **fields,
        }
    )


def rows_of(response) -> list[str]:
    html = response.content.decode()
    return re.findall(r'<tr data-user="([^"]*)"', html)


def test_the_page_shows_what_the_api_answers(client, db):
    for number in range(5):
        player(f"u_{number}", rt=600 + 100 * number)
    listed = client.get("/v1/leaderboard").json()
    response = client.get("/leaderboard/")
    assert rows_of(response) == [row["user_id"] for row in listed]
    html = response.content.decode()
    assert f"{listed[0]['score']:.1f} " in html
    assert 'href="/v1/leaderboard?window=all&amp;min_tasks=30&amp;limit=100"' in html


def test_filters_choose_players(client, db):
    player("fast", task_type="stroop")
    player("new", trials=10)
    player("old", day=timezone.now().date() - timezone.timedelta(days=30))
    player("other", model_version="elo_v2")
    assert set(rows_of(client.get("/leaderboard/"))) == {"fast", "old", "other"}
    assert rows_of(client.get("/leaderboard/?task_type=stroop")) == ["fast"]
    assert rows_of(client.get("/leaderboard/?model_version=elo_v2")) == ["other"]
    assert set(rows_of(client.get("/leaderboard/?window=week"))) == {"fast", "other"}
    assert "new" in rows_of(client.get("/leaderboard/?min_tasks=5"))


@pytest.mark.parametrize(
    "query",
    ["window=nonsense", "min_tasks=-1", "min_tasks=x", "limit=7", "limit=", "task_type=%00",
     "player=%3Cscript%3E", "model_version=" + "x" * 999],
)  # fmt: skip
def test_odd_filters_never_break_the_page(client, db, query):
    player("u_1")
    response = client.get(f"/leaderboard/?{query}")
    assert response.status_code == 200
    assert "<script>" not in response.content.decode()


def test_a_player_finds_themselves(client, db):
    player("u_1")
    player("u_2", rt=1200)
    html = client.get("/leaderboard/?player=u_2").content.decode()
    assert re.search(r'<tr data-user="u_2" class="is-me" aria-current="true">', html)
    assert html.count("chart__bar--me") == 1
    assert "is not on this board" in client.get("/leaderboard/?player=u_9").content.decode()


def test_an_empty_board_says_what_to_do(client, db):
    html = client.get("/leaderboard/").content.decode()
    assert "Nobody has 30 trials here yet." in html
    assert "<svg viewBox" not in html[html.index("spread-title") :]


def test_few_trials_are_marked_as_provisional(client, db):
    player("u_1", trials=99)
    player("u_2", trials=100)
    html = client.get("/leaderboard/").content.decode()
    assert html.count(">provisional<") == 1


def test_numbers_in_the_drawing_never_follow_the_language(client, db):
    for number in range(7):
        player(f"u_{number}", rt=600 + 130 * number)
    html = client.get("/leaderboard/", headers={"accept-language": "ru"}).content.decode()
    places = re.findall(r'\s(?:x|y|width|height|d)="([^"]*)"', html)
    assert len(places) > 20
    assert not [place for place in places if "," in place]


def test_what_changes_alone_can_be_asked_for(client, db):
    player("u_1")
    answer = client.get("/leaderboard/?part=live&player=u_1")
    parts = answer.json()
    assert answer["Cache-Control"] == "no-store"
    assert set(parts) == {"rows", "me", "chart"}
    assert parts["rows"] in client.get("/leaderboard/?player=u_1").content.decode()
    assert "<figure" in parts["chart"]
    assert "You: u_1" in parts["me"]
    assert not any("<html" in part for part in parts.values())


@pytest.mark.parametrize("count", [1, 3])
def test_the_page_needs_the_same_queries_for_more_players(
    client, db, count, django_assert_num_queries
):
    for number in range(count):
        player(f"u_{number}")
    client.get("/leaderboard/")  # a new history is read whole, once
    with django_assert_num_queries(8):
        client.get("/leaderboard/")
    player("u_9")
    with django_assert_num_queries(11):
        client.get("/leaderboard/")


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


def test_me_shows_rank_percentile_and_trend_beyond_the_rows_shown(client, db):
    for number in range(20):
        player(f"u_{number:02}", rt=600 + 50 * number)
    today = timezone.now().date()
    player("me", rt=2500, day=today - timezone.timedelta(days=9))
    player("me", rt=1700, day=today - timezone.timedelta(days=2))
    html = client.get("/leaderboard/?player=me&limit=10").content.decode()
    assert "me" not in rows_of(client.get("/leaderboard/?player=me&limit=10"))
    said = text_of(html[html.index('class="me card"') : html.index("</section>")])
    assert "Rank 21 of 21 Percentile 2.4 Score" in said
    row = client.get("/v1/leaderboard").json()[-1]
    assert row["user_id"] == "me"
    points = re.findall(r"(\d\d/\d\d/\d{4}) ([\d.]+) (\d+)", said)
    assert [trials for _day, _score, trials in points] == ["120", "120"]
    assert float(points[1][1]) == row["score"]
    change = float(re.search(r"Seven days ▲ \+([\d.]+)", said)[1])
    assert change == pytest.approx(row["score"] - float(points[0][1]), abs=0.11)
    assert html.count('class="chart__spot"') == 2


def test_a_trend_follows_the_filters(client, db):
    today = timezone.now().date()
    for ago, kind in ((20, "stroop"), (3, "stroop"), (1, "n_back")):
        player("me", task_type=kind, day=today - timezone.timedelta(days=ago), rt=600 + 30 * ago)

    def spots(query):
        html = client.get(f"/leaderboard/?player=me&min_tasks=1{query}").content.decode()
        return html.count('class="chart__spot"')

    assert spots("") == 3
    assert spots("&task_type=stroop") == 2
    assert spots("&window=week") == 2
    assert spots("&window=week&task_type=stroop") == 1
    assert spots("&window=day") == 0


def test_play_from_before_the_last_month_counts_in_a_trend(client, db):
    today = timezone.now().date()
    player("me", rt=600, day=today - timezone.timedelta(days=200))
    player("me", rt=1500, day=today)
    html = client.get("/leaderboard/?player=me").content.decode()
    assert html.count('class="chart__spot"') == 1
    assert 'class="down"' in html


def test_nobody_is_found_by_an_address(client, db):
    player("anna@example.org")
    for asked in ("anna@example.org", "a***@e***"):
        html = client.get("/leaderboard/", {"player": asked}).content.decode()
        assert "is not on this board" in html
        assert "anna@example.org" not in html.replace('value="anna@example.org"', "").replace(
            "<strong>anna@example.org</strong>", ""
        ).replace('"player": "anna@example.org"', "")


def test_a_held_player_is_not_found(client, db):
    player("me")
    PlayerHold.objects.create(user_id="me", reason="odd")
    assert "is not on this board" in client.get("/leaderboard/?player=me").content.decode()


# --- The chart --------------------------------------------------------------------------------


@given(st.lists(st.floats(-2000, 2000), min_size=1, max_size=60), st.integers(0, 59))
def test_every_score_is_in_exactly_one_bin(scores, index):
    chart = histogram(scores, marked=scores[index % len(scores)])
    assert sum(part.count for part in chart.bins) == len(scores)
    assert sum(part.marked for part in chart.bins) == 1
    assert all(0 <= part.height <= chart.base for part in chart.bins)
    assert chart.bins[0].low <= min(scores) + 1e-6
    assert chart.bins[-1].high >= max(scores) - 1e-6


@given(st.floats(1e-6, 1e9), st.integers(1, 40))
def test_a_nice_step_is_one_two_or_five(span, parts):
    step = nice_step(span, parts)
    assert f"{step:e}"[0] in "125"
    assert span / step <= parts * (1 + 1e-6)


def test_no_scores_make_no_chart():
    assert histogram([]) is None
    assert line([]) is None
    assert sparkline([1.0]) == ""


@given(
    st.lists(st.tuples(st.integers(1, 700_000), st.floats(-1000, 1000)), min_size=1, max_size=30,
             unique_by=lambda one: one[0])
)  # fmt: skip
def test_a_line_stays_within_its_drawing(points):
    days = [(date.fromordinal(day), score, 1) for day, score in sorted(points)]
    drawn = line(days)
    assert [spot.day for spot in drawn.spots] == [day for day, _score, _trials in days]
    assert [spot.x for spot in drawn.spots] == sorted(spot.x for spot in drawn.spots)
    assert all(drawn.left <= spot.x <= drawn.right for spot in drawn.spots)
    assert all(0 <= spot.y <= drawn.base + 0.1 for spot in drawn.spots)
    assert drawn.y_ticks[0].value <= min(score for _day, score, _n in days) + 1e-6


# --- In a browser -----------------------------------------------------------------------------


def test_the_board_refreshes_itself_and_keeps_the_focus(site):
    player("u_1", rt=900)
    player("u_2", rt=1000)
    page = site.visitor()
    page.clock.install()
    page.goto("/leaderboard/?player=u_2")
    page.get_by_text("Live, as of").wait_for()
    page.focus("#table")
    player("u_3", rt=500)
    player("u_2", rt=300)
    page.clock.run_for(6000)
    page.locator('tr[data-user="u_3"]').wait_for()
    names = page.eval_on_selector_all("#rows tr", "rows => rows.map((row) => row.dataset.user)")
    assert names == [row["user_id"] for row in site.api("/v1/leaderboard")]
    assert page.evaluate("document.activeElement.id") == "table"
    assert page.get_attribute('tr[data-user="u_2"]', "aria-current") == "true"

    page.get_by_role("button", name="Pause updates").click()
    player("u_4", rt=400)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.run_for(30_000)
    assert asked == []
    page.get_by_role("button", name="Pause updates").click()
    page.locator('tr[data-user="u_4"]').wait_for()
    assert site.trouble == []


def test_the_board_remembers_who_asked_for_themselves(site):
    player("u_1")
    player("u_2", rt=1000)
    page = site.visitor()
    page.goto("/leaderboard/")
    page.get_by_label("Find me: player id").fill("u_2")
    page.get_by_role("button", name="Show", exact=True).click()
    page.get_by_role("heading", name="You: u_2").wait_for()
    page.get_by_text("Live, as of").wait_for()  # by now its script has remembered
    page.goto("/leaderboard/")
    page.get_by_role("heading", name="You: u_2").wait_for()
    page.get_by_role("button", name="Forget my id").click()
    page.wait_for_url("**/leaderboard/")
    page.get_by_text("Live, as of").wait_for()
    assert page.get_by_role("heading", name="You: u_2").count() == 0
    assert site.trouble == []


def test_masked_players_who_look_alike_keep_their_rows(site):
    player("anna@example.org")
    player("alma@example.org", rt=1100)
    page = site.visitor()
    page.goto("/leaderboard/")
    page.get_by_text("Live, as of").wait_for()
    assert page.locator("#rows tr").count() == 2
    until(lambda: page.locator("#rows tr").all_inner_texts()[0].startswith("1"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_board_is_accessible(site, scheme):
    for number in range(12):
        player(f"u_{number}", rt=600 + 60 * number, trials=60 + 10 * number)
    for options in ({"color_scheme": scheme}, {"color_scheme": scheme, "viewport": PHONE}):
        page = site.visitor(**options)
        page.goto("/leaderboard/?player=u_3")
        for summary in page.locator(".chart__data summary").all():
            summary.click()
        assert violations(page) == []
        assert overflow(page) == 0
