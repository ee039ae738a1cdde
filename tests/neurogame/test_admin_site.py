"""The admin as a whole: who gets in, who sees what, what its pages may run, what they cost."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from interviews.models import Team
from interviews.roles import ANALYSTS, PERMISSIONS, RECRUITERS
from neurogame.admin_site import NAVIGATION, NeurogameAdminSite
from tests.desk import (
    ROWS,
    address,
    attempt,
    event,
    inline_scripts,
    invite,
    quarantined,
    registered,
    root,
    session,
    signed_in,
    staff,
)

pytestmark = pytest.mark.django_db

LABELS = sorted(registered())
ROLES = {"recruiter": RECRUITERS, "analyst": ANALYSTS}


@pytest.fixture
def team(db):
    return Team.objects.create(name="Core")


def viewable(group: str) -> set[str]:
    return {
        f"{app}.{model}"
        for (app, model), actions in PERMISSIONS[group].items()
        if "view" in actions
    }


def sidebar(client: Client) -> list[str]:
    groups = client.get("/admin/").context["sidebar_navigation"]
    return [item["link"] for group in groups for item in group["items"]]


# --- Getting in ---------------------------------------------------------------------------------


def test_the_site_is_ours():
    assert isinstance(admin.site, NeurogameAdminSite)


def test_a_visitor_is_sent_to_the_sign_in_page(client):
    answer = client.get("/admin/")
    assert (answer.status_code, answer["Location"]) == (302, "/admin/login/?next=/admin/")


def test_a_candidate_does_not_get_in(make_user):
    answer = signed_in(make_user("ada")).get("/admin/")
    assert answer.status_code == 302


def test_signing_in_by_nickname_in_any_case(client):
    staff("Grace", is_superuser=True).set_password("correct horse")
    user = staff("Ada", is_superuser=True)
    user.set_password("correct horse")
    user.save()
    answer = client.post(
        "/admin/login/?next=/admin/", {"username": "aDA", "password": "correct horse"}
    )
    assert (answer.status_code, answer["Location"]) == (302, "/admin/")


def test_a_candidate_with_the_right_password_is_refused(client, make_user):
    make_user("ada")
    answer = client.post("/admin/login/", {"username": "ada", "password": "correct horse"})
    assert answer.status_code == 200
    assert answer.context["form"].errors


def test_the_eleventh_failed_login_is_429(client):
    for _try in range(10):
        answer = client.post("/admin/login/", {"username": "root", "password": "wrong"})
        assert answer.status_code == 200
    answer = client.post("/admin/login/", {"username": "ROOT", "password": "wrong"})
    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= 300
    cache.clear()


def test_failed_logins_here_count_for_the_api_too(client):
    for _try in range(10):
        client.post("/admin/login/", {"username": "ada", "password": "wrong"})
    answer = client.post(
        "/auth/login", {"login": "ada", "password": "wrong"}, content_type="application/json"
    )
    assert answer.status_code == 429


# --- Who sees what ------------------------------------------------------------------------------


def test_every_model_of_the_admin_is_in_the_sidebar_or_known_to_be_left_out():
    shown = {row[0] for _title, rows in NAVIGATION for row in rows}
    assert {label.lower() for label in LABELS} - shown == {"tasks.assignmentmove"}


def test_secrets_are_not_registered():
    assert not any("Token" in label for label in LABELS)


@pytest.mark.parametrize("role", ROLES)
def test_lists_of_a_role_are_exactly_those_of_its_group(role, team):
    client = signed_in(staff(role, ROLES[role], teams=(team,)))
    opened = {label.lower() for label in LABELS if client.get(address(label)).status_code == 200}
    assert opened == viewable(ROLES[role])


@pytest.mark.parametrize("role", ROLES)
def test_the_sidebar_of_a_role_leads_only_where_it_may_go(role, team):
    client = signed_in(staff(role, ROLES[role], teams=(team,)))
    links = sidebar(client)
    shown = {row[0] for _title, rows in NAVIGATION for row in rows}
    assert set(links) == {"/admin/"} | {address(label) for label in viewable(ROLES[role]) & shown}


def test_somebody_in_no_group_is_told_so():
    client = signed_in(staff("new"))
    assert sidebar(client) == ["/admin/"]
    assert "You are in no group yet" in client.get("/admin/").content.decode()
    assert {client.get(address(label)).status_code for label in LABELS} == {403}


def test_an_analyst_sees_no_candidate_on_any_page(team):
    attempt(team)
    invite(team, candidate_name="Secret Name")
    quarantined(source="anticheat", reason="candidate_signal", session=session(team))
    client = signed_in(staff("analyst", ANALYSTS))
    for label in [label for label in LABELS if label.lower() in viewable(ANALYSTS)]:
        html = client.get(address(label)).content.decode()
        assert "candidate-" not in html
        assert "Secret Name" not in html
        assert "candidate_signal" not in html


# --- The first page -----------------------------------------------------------------------------


def cards(client: Client) -> dict[str, object]:
    sections = client.get("/admin/").context["sections"]
    return {str(card.title): card.value for section in sections for card in section.cards}


def test_the_first_page_of_a_recruiter_counts_their_own(team):
    other = Team.objects.create(name="Other")
    for owner in (team, other):
        session(owner)
        session(owner, state="finished", needs_review=True)
        invite(owner)
        invite(owner, send_error="refused")
    assert cards(signed_in(staff("recruiter", RECRUITERS, teams=(team,)))) == {
        "Running interviews": 1,
        "Finished, to be reviewed": 1,
        "Open invites": 2,
        "Mails that failed": 1,
    }


def test_the_first_page_of_an_analyst_is_about_the_game(team):
    event()
    quarantined()
    quarantined(source="anticheat")
    ROWS["telemetry.EventConflict"](team)
    ROWS["leaderboard.PlayerHold"](team)
    ROWS["telemetry.ModelVersion"](team).__class__.objects.filter(name__startswith="model").update(
        status="unregistered"
    )
    assert cards(signed_in(staff("analyst", ANALYSTS))) == {
        "Events today": 2,
        "In quarantine": 1,
        "Conflicts": 1,
        "Unregistered models": 1,
        "Players held back": 1,
    }


def test_the_first_page_of_an_operator_says_what_failed(team):
    attempt(team, verdict="IE", number=None)
    ROWS["django_tasks_database.DBTaskResult"](team)
    call = ROWS["interviews.LLMCall"](team)
    call.outcome = "timeout"
    call.save()
    shown = cards(signed_in(root()))
    assert shown["Internal errors, last 24 hours"] == 1
    assert shown["Failed jobs, last 24 hours"] == 1
    assert shown["Failed model calls, last 24 hours"] == 1
    assert shown["Sandbox"] in ("bubblewrap", "unavailable")


def test_the_first_page_of_an_operator_says_why_no_program_runs(db, settings):
    settings.SANDBOX = "chroot"
    client = signed_in(root())
    assert cards(client)["Sandbox"] == "unavailable"
    assert "SANDBOX=&#x27;chroot&#x27; is unknown" in client.get("/admin/").content.decode()


# --- What pages may run -------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/admin/login/", "/admin/"])
def test_the_policy_allows_no_inline_script(path):
    client = signed_in(root()) if path == "/admin/" else Client()
    policy = client.get(path)["Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["script-src"] == "'self' 'unsafe-eval'"
    assert rules["style-src"] == "'self' 'unsafe-inline'"
    assert rules["frame-ancestors"] == "'self'"


def test_unsafe_eval_is_the_admins_alone(client):
    assert "unsafe-eval" not in client.get("/")["Content-Security-Policy"]


@pytest.mark.parametrize("label", LABELS)
def test_pages_have_no_inline_script(label, team):
    client = signed_in(root())
    row = ROWS[label](team)
    lists = [address(label)]
    target = row.assignment.session if label == "interviews.InterviewSession" else row
    for path in [*lists, address(label, "change", target.pk)]:
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert inline_scripts(answer.content.decode()) == []


def test_the_search_takes_any_page(team):
    client = signed_in(root())
    assert client.get("/admin/search/?s=inter&page=x").status_code == 200


# --- What pages cost ----------------------------------------------------------------------------


def queries(client: Client, path: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as seen:
        answer = client.get(path)
        assert answer.status_code == 200
        answer.content  # noqa: B018 - rendered
    return len(seen)


@pytest.mark.parametrize("label", LABELS)
def test_a_list_costs_the_same_with_one_row_and_with_three(label, team):
    client = signed_in(root())
    model = registered()[label].model
    client.get(address(label))
    ROWS[label](team)
    one, rows = queries(client, address(label)), model.objects.count()
    ROWS[label](team)
    ROWS[label](team)
    assert model.objects.count() >= rows + 2
    assert queries(client, address(label)) == one


@pytest.mark.parametrize("label", sorted(viewable(RECRUITERS)))
def test_a_recruiters_list_costs_the_same_with_one_row_and_with_three(label, team):
    row = {name.lower(): make for name, make in ROWS.items()}[label]
    client = signed_in(staff("recruiter", RECRUITERS, teams=(team,)))
    client.get(address(label))
    row(team)
    one = queries(client, address(label))
    row(team)
    row(team)
    assert queries(client, address(label)) == one


def test_the_first_page_costs_the_same_with_one_row_and_with_three(team):
    client = signed_in(staff("recruiter", RECRUITERS, teams=(team,)))
    client.get("/admin/")
    session(team)
    one = queries(client, "/admin/")
    session(team)
    session(team)
    assert queries(client, "/admin/") == one


# --- Records ------------------------------------------------------------------------------------

RECORDS = [
    "telemetry.GameEvent", "telemetry.QuarantinedEvent", "telemetry.EventConflict",
    "telemetry.AntiCheatSignal", "interviews.Message", "interviews.Consent", "interviews.LLMCall",
    "interviews.InterviewSession", "tasks.Attempt", "tasks.CodeRun", "tasks.AssignmentMove",
    "tasks.Assignment", "tasks.Draft", "leaderboard.Standing", "admin.LogEntry",
    "django_tasks_database.DBTaskResult",
]  # fmt: skip


@pytest.mark.parametrize("label", RECORDS)
def test_nobody_adds_changes_or_deletes_a_record(label, team):
    client = signed_in(root())
    row = ROWS[label](team)
    target = row.assignment.session if label == "interviews.InterviewSession" else row
    before = type(target).objects.filter(pk=target.pk).values().get()
    assert client.get(address(label, "add")).status_code == 403
    assert client.post(address(label, "add"), {}).status_code == 403
    assert client.post(address(label, "change", target.pk), {}).status_code in (403, 405)
    assert client.get(address(label, "delete", target.pk)).status_code == 403
    assert client.post(address(label, "delete", target.pk), {"post": "yes"}).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [str(target.pk)], "post": "yes"}
    client.post(address(label), chosen)
    assert type(target).objects.filter(pk=target.pk).values().get() == before


def test_ids_that_cannot_be_ids_are_no_error(team):
    client = signed_in(root())
    chosen = {"action": "export_admin_action", "_selected_action": ["not-an-id"]}
    assert client.post(address("interviews.InterviewSession"), chosen).status_code == 302
    assert client.get(address("interviews.InterviewSession", "change", "nobody")).status_code == 404
