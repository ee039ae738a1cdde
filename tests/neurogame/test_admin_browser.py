"""The desk in a real browser: nothing breaks the policy, everything is reachable and fits."""

from __future__ import annotations

import pytest
from django.utils import timezone

from interviews.models import Consent, Message, Team
from tests.browser import PHONE, browser, overflow, site, violations
from tests.desk import (
    EVIL,
    address,
    assignment,
    attempt,
    event,
    invite,
    page_of,
    root,
    session,
    signal,
    staff,
)

__all__ = ["browser", "site"]


@pytest.fixture
def team(transactional_db):
    return Team.objects.create(name="Core")


@pytest.fixture
def recruiter(team):
    return staff("recruiter", "Recruiters", teams=(team,))


@pytest.fixture
def interview(team):
    """An interview with a bit of everything, some of it hostile."""
    of = session(team, needs_review=True, invite=invite(team, candidate_name=f"Ada {EVIL}"))
    Consent.objects.create(session=of, version="2026-11", taken_by="candidate")
    task = assignment(of=of)
    result = {"tests": [{"name": "hidden-2", "visible": False, "verdict": "WA", "stdout": EVIL}]}
    attempt(to=task, code=f"print(1)\n</pre>{EVIL}", result=result)
    Message.objects.create(session=of, seq=1, role="candidate", text=f"hello {EVIL}")
    signal(of=of, payload={"chars": 900, "source": "external", "text": f"stolen {EVIL}"})
    signal(of=of, type="edit", payload={})
    return of


@pytest.mark.parametrize("options", [{}, {"viewport": PHONE}, {"color_scheme": "dark"}])
def test_pages_break_no_rule_and_fit(site, recruiter, interview, options):
    page = site.visitor(recruiter, **options)
    for path in (
        "/admin/",
        address("interviews.InterviewSession"),
        page_of(interview),
        address("interviews.InterviewSession", "export"),
        address("interviews.Invite"),
        address("interviews.Invite", "add"),
        page_of(interview.invite),
        page_of(interview, "minutes"),
    ):
        page.goto(path)
        page.wait_for_load_state("networkidle")
        assert overflow(page) <= 0, path
    assert site.trouble == []


def test_pages_of_analysts_and_operators_break_no_rule(site, team):
    event()
    page = site.visitor(root())
    for path in (
        "/admin/",
        address("telemetry.GameEvent"),
        address("telemetry.GameEvent", "export"),
        address("telemetry.ApiKey", "add"),
        address("leaderboard.Standing", "board"),
        address("interviews.User"),
        address("tasks.CodingTask"),
    ):
        page.goto(path)
        page.wait_for_load_state("networkidle")
    assert site.trouble == []


def test_records_with_long_words_fit_on_a_phone(site, team, interview):
    long = "word" * 200
    page = site.visitor(root(), viewport=PHONE)
    message = Message.objects.create(session=interview, seq=2, role="candidate", text=long)
    for record in (
        message,
        attempt(to=interview.assignments.get(), code=f"print('{long}')"),
        signal(of=interview, payload={"chars": 800, "source": "external", "text": long}),
        event(raw=f'{{"event_id": "event-long", "user_id": "{long}"}}'),
        interview.candidate,
    ):
        page.goto(page_of(record))
        assert overflow(page) <= 0, record


def test_signing_in_breaks_no_rule(site, recruiter):
    recruiter.set_password("correct horse")
    recruiter.save()
    page = site.visitor()
    page.goto("/admin/")
    page.get_by_label("Nickname or e-mail").fill("RECRUITER")
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="Latest interviews").wait_for()
    assert site.trouble == []


def test_the_report_is_read_and_switched(site, recruiter, interview):
    page = site.visitor(recruiter)
    page.goto(page_of(interview))
    assert page.get_by_text(f"hello {EVIL}").count() == 1
    code = page.locator(".ng-entry--attempt details").first
    assert not code.locator("pre").is_visible()
    code.locator("summary").click()
    assert code.locator("pre").inner_text() == f"print(1)\n</pre>{EVIL}"
    font = code.locator("pre").evaluate("element => getComputedStyle(element).fontFamily")
    assert "mono" in font.lower()
    page.get_by_label("chat").uncheck()
    assert not page.locator(".ng-entry--message").first.is_visible()
    assert page.locator(".ng-entry--attempt").first.is_visible()


def test_a_link_is_copied(site, recruiter, interview):
    row = interview.invite
    page = site.visitor(recruiter, permissions=["clipboard-read", "clipboard-write"])
    page.goto(address("interviews.Invite"))
    page.get_by_role("button", name="Copy link").click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == row.link


def test_people_are_invited_and_an_interview_is_ended(site, recruiter, interview):
    page = site.visitor(recruiter)
    page.goto(address("interviews.Invite", "add"))
    page.get_by_label("Who").fill("Ada, ada@example.org\nGrace")
    page.get_by_role("button", name="Make the invites").click()
    page.get_by_text("2 invites were made.").wait_for()
    page.goto(page_of(interview))
    page.get_by_role("link", name="End the interview").click()
    page.get_by_role("button", name="End it now").click()
    page.get_by_text("The interview is over.").wait_for()
    interview.refresh_from_db()
    assert interview.finished_at <= timezone.now()
    assert site.trouble == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_our_parts_are_accessible(site, recruiter, interview, scheme):
    page = site.visitor(recruiter, color_scheme=scheme)
    for path in ("/admin/", page_of(interview), page_of(interview, "minutes")):
        page.goto(path)
        page.wait_for_load_state("networkidle")
        page.evaluate(  # unfold's own frame is not ours to answer for: its header is no landmark
            """() => {
              document.getElementById("nav-sidebar").remove();
              document.querySelector("#main > :has(#header-inner)").setAttribute("role", "banner");
            }"""
        )
        assert violations(page) == []
