"""The candidate's page in a browser, against the served product and the real sandbox."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from interviews.models import InterviewSession, Message
from tasks.models import Assignment, Attempt, CodingTask, Draft, TaskTest
from tasks.sandbox import installed_versions
from tests.browser import DESKTOP, PHONE, browser, overflow, site, violations
from tests.interviews.chat_tools import make_session, until
from tests.interviews.page_tools import add, bank, code_of, opened, session, write
from tests.tasks.factories import RIGHT, WRONG, TaskFactory

__all__ = ["bank", "browser", "session", "site"]


def test_a_candidate_walks_from_registering_to_the_end(site, bank):
    page = site.visitor()
    page.goto("/interview/")
    page.fill("#register-nickname", "grace")
    page.fill("#register-password", "correct horse 9")
    page.get_by_role("button", name="Register").click()
    page.get_by_label("Algorithms").check()
    page.get_by_label("Yes, record the signals").check()
    page.get_by_role("button", name="Start the interview").click()
    page.wait_for_selector('#workspace[aria-busy="false"]')
    first = page.inner_text("#task-title")
    assert first == "Sum"
    assert page.locator("#statement strong").inner_text() == "two"
    session = InterviewSession.objects.get()

    write(page, WRONG)
    page.get_by_role("button", name="Check solution").click()
    page.get_by_text("Hidden tests: only passed or failed is shown").wait_for()
    assert "Wrong answer" in page.inner_text(".result__head")
    assert "2 of 3 tests passed" in page.inner_text(".result__head")
    assert "hidden-2: Wrong answer" in page.inner_text(".hidden-tests")
    assert page.inner_text("#attempts") == "4 attempts left"

    write(page, RIGHT)
    page.keyboard.press("Control+Shift+Enter")
    page.locator(".result__head .badge--AC").wait_for()
    page.get_by_role("button", name="Next task").first.click()
    page.locator("#attempts", has_text="5 attempts left").wait_for()
    given = list(Assignment.objects.order_by("order"))
    assert [assignment.close_reason for assignment in given] == ["accepted", ""]
    assert given[0].task_id != given[1].task_id
    assert Attempt.objects.filter(assignment=given[0]).count() == 2

    page.get_by_role("button", name="Finish", exact=True).click()
    page.locator("dialog").get_by_role("button", name="Finish").click()
    page.wait_for_url(f"**/interview/?session={session.pk}")
    assert "Thank you" in page.inner_text("h1")
    session.refresh_from_db()
    assert session.state == "finished"
    assert site.trouble == []


def test_a_reply_arrives_in_pieces_and_is_in_the_history(site, session, candidate, settings):
    page = opened(site.visitor(candidate))
    page.evaluate(
        """() => {
          window.lengths = [];
          new MutationObserver(() => {
            const texts = document.querySelectorAll('.message:not(.message--mine) .message__text');
            const length = [...texts].at(-1)?.innerText.length ?? 0;
            if (length !== window.lengths.at(-1)) window.lengths.push(length);
          }).observe(document.querySelector('#chat-log'),
            { childList: true, subtree: true, characterData: true });
        }"""
    )
    page.fill("#chat-text", "Can you give me a hint?")
    page.keyboard.press("Enter")
    reply = until(
        lambda: Message.objects.filter(
            session=session, role="interviewer", kind="chat", status="complete"
        ).first()
    )
    words = reply.text.split()[-1]
    page.locator(".message__text", has_text=words).last.wait_for()
    assert len(page.evaluate("window.lengths")) > 3
    assert Message.objects.filter(session=session, role="candidate").count() == 1

    page.reload()
    page.locator(".message--mine", has_text="Can you give me a hint?").wait_for()
    assert page.locator(".message--mine").count() == 1
    assert page.locator(".message:not(.message--mine)", has_text=words).count() == 1
    assert site.trouble == []


def test_a_message_sent_offline_goes_out_once_when_the_network_is_back(site, session, candidate):
    page = opened(site.visitor(candidate))
    page.context.set_offline(True)
    page.fill("#chat-text", "Are you there?")
    page.keyboard.press("Enter")
    page.get_by_text("No connection. Go on working").wait_for()
    page.context.set_offline(False)
    until(lambda: Message.objects.filter(session=session, text="Are you there?").count() == 1)
    page.locator(".message__note:visible").wait_for(state="detached")
    page.reload()
    page.locator(".message--mine", has_text="Are you there?").wait_for()
    assert page.locator(".message--mine").count() == 1


def test_a_reply_that_failed_can_be_asked_for_again(site, session, candidate):
    asked = Message.objects.create(
        session=session, seq=1, role="candidate", text="Why?", client_message_id="mine-1"
    )
    Message.objects.create(
        session=session, seq=2, role="interviewer", reply_to=asked, status="error", retryable=True
    )
    page = opened(site.visitor(candidate))
    page.get_by_text("The reply failed.").wait_for()
    page.get_by_role("button", name="Try again").click()
    answer = until(
        lambda: Message.objects.filter(
            session=session, role="interviewer", kind="chat", status="complete"
        ).first()
    )
    assert answer.reply_to_id == asked.pk
    page.locator(".message__text", has_text=answer.text.split()[-1]).last.wait_for()
    page.reload()
    page.locator(".message--mine", has_text="Why?").wait_for()
    assert page.locator(".message--mine").count() == 1
    assert page.get_by_role("button", name="Try again").count() == 0


def test_signing_out_elsewhere_is_told_and_loses_nothing(site, session, candidate):
    page = opened(site.visitor(candidate))
    page.context.clear_cookies()
    write(page, "print('still here')")
    page.get_by_text("You are signed out. What you wrote is kept.").first.wait_for()
    page.get_by_role("button", name="Sign in again").click()
    page.fill("#sign-in-login", "ada")
    page.fill("#sign-in-password", "correct horse")
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.locator(".cm-line", has_text="print('still here')").wait_for()
    until(lambda: Draft.objects.filter(code="print('still here')").exists())


def test_the_end_of_the_time_closes_the_interview_and_keeps_the_code(site, session, candidate):
    page = opened(site.visitor(candidate))
    write(page, "print('in time')")
    until(lambda: Draft.objects.filter(code="print('in time')").exists())
    InterviewSession.objects.update(ends_at=timezone.now() + timedelta(seconds=2))
    page.reload()
    page.wait_for_url(f"**session={session.pk}")
    assert "The time was over" in page.inner_text("main")


def test_a_reload_and_another_computer_lose_no_code(site, session, candidate):
    page = opened(site.visitor(candidate))
    write(page, "print('kept')")
    page.locator("#save-state", has_text="Saved").wait_for()
    assert Draft.objects.get().code == "print('kept')"
    page.reload()
    page.locator(".cm-line", has_text="print('kept')").wait_for()
    other = opened(site.visitor(candidate))
    assert code_of(other) == "print('kept')"


def test_code_written_offline_is_kept_and_saved_later(site, session, candidate):
    page = opened(site.visitor(candidate))
    page.context.set_offline(True)
    write(page, "print('on the train')")
    page.get_by_text("Kept in this browser").wait_for()
    page.context.set_offline(False)
    until(lambda: Draft.objects.filter(code="print('on the train')").exists())
    page.locator("#save-state", has_text="Saved").wait_for()


@pytest.mark.parametrize(
    ("button", "kept"), [("Keep mine", "print('mine')"), ("Take the other one", "print('theirs')")]
)
def test_two_tabs_never_overwrite_each_other_silently(site, session, candidate, button, kept):
    mine, theirs = opened(site.visitor(candidate)), opened(site.visitor(candidate))
    write(theirs, "print('theirs')")
    until(lambda: Draft.objects.filter(code="print('theirs')").exists())
    write(mine, "print('mine')")
    mine.get_by_role("heading", name="Two versions of your code").wait_for()
    assert "print('theirs')" in mine.inner_text("dialog")
    mine.get_by_role("button", name=button).click()
    until(lambda: Draft.objects.filter(code=kept).exists())
    mine.locator("#save-state", has_text="Saved").wait_for()
    assert code_of(mine) == kept


def test_no_draft_is_sent_while_a_check_may_close_the_task(site, session, candidate):
    page = site.visitor(candidate)
    page.clock.install()
    opened(page)
    sent, held = [], []
    page.on("request", lambda request: sent.append(request) if "/tasks/" in request.url else None)
    page.route("**/tasks/check", lambda route: held.append(route))
    write(page, RIGHT)
    with page.expect_request("**/tasks/check"):
        page.get_by_role("button", name="Check solution").click()
    add(page, "# and more")
    page.clock.run_for(5000)
    held[0].continue_()
    page.locator(".result__head .badge--AC").wait_for()
    page.clock.run_for(5000)
    page.get_by_role("button", name="Next task").first.click()
    page.get_by_text("Task 2", exact=True).wait_for()
    paths = [request.url.rpartition("/")[2].partition("?")[0] for request in sent]
    assert paths == ["draft", "check", "next"]
    assert Draft.objects.get().code == RIGHT
    assert site.trouble == []


def test_a_check_that_takes_long_does_not_keep_what_is_typed_from_being_saved(
    site, session, candidate
):
    page = site.visitor(candidate)
    page.clock.install()
    opened(page)
    held = []
    page.route("**/tasks/check", lambda route: held.append(route))
    write(page, WRONG)
    with page.expect_request("**/tasks/check"):
        page.get_by_role("button", name="Check solution").click()
    add(page, "# and more")
    page.clock.run_for(11_000)
    until(lambda: Draft.objects.filter(code__endswith="# and more").exists())
    held[0].continue_()
    page.locator(".result__head .badge--WA").wait_for()
    assert site.trouble == []


def test_skipping_with_code_just_written_is_no_conflict(site, session, candidate):
    page = opened(site.visitor(candidate))
    page.get_by_role("button", name="Skip this task").click()
    page.get_by_role("button", name="Stay with it").click()
    write(page, "print('enough')")
    page.get_by_role("button", name="Skip this task").click()
    page.get_by_role("button", name="Skip it").click()
    page.get_by_text("Task 2", exact=True).wait_for()
    assert Draft.objects.get().code == "print('enough')"
    assert site.trouble == []


def test_a_run_on_own_input_shows_what_was_printed(site, session, candidate):
    page = opened(site.visitor(candidate))
    write(page, RIGHT)
    page.get_by_role("button", name="Own input").click()
    page.fill("#own-input", "20 22\n")
    page.get_by_role("button", name="Run with this input").click()
    page.locator(".result__out pre").wait_for()
    assert page.inner_text(".result__out pre").strip() == "42"
    assert Attempt.objects.count() == 0


def test_a_program_that_is_wrong_on_an_example_shows_where(site, session, candidate):
    page = opened(site.visitor(candidate))
    write(page, "input()\nprint(3)")
    page.get_by_role("button", name="Run examples").click()
    page.locator(".result__head .badge--WA").wait_for()
    assert page.locator("details.test[open] .diff--expected mark").inner_text() == "4"
    assert page.locator("details.test[open] .diff:not(.diff--expected) mark").inner_text() == "3"


def test_a_query_is_compared_row_by_row_and_the_menu_names_the_version(site, candidate):
    task = TaskFactory(kind="sql", languages=["sql"], checker="sql_rows", starter={})
    task.tests.update(
        stdin="CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (1), (2);",
        expected={"columns": ["n"], "rows": [[1], [2]]},
    )
    make_session(candidate)
    page = opened(site.visitor(candidate))
    assert page.inner_text("#language option") == f"SQL ({installed_versions()['sql']})"
    write(page, "SELECT n + 1 AS n FROM t")
    page.get_by_role("button", name="Run examples").click()
    page.locator(".result__head .badge--WA").wait_for()
    assert page.locator(".diff--expected").first.inner_text().split() == ['["n"]', "[1]", "[2]"]
    mine = page.locator(".diff:not(.diff--expected)").first
    assert mine.inner_text().split() == ['["n"]', "[2]", "[3]"]
    assert site.trouble == []


def test_points_of_groups_and_tests_that_were_not_run_are_told(site, session, candidate):
    CodingTask.objects.update(
        groups=[
            {"name": "first", "points": 1, "requires": [], "pretest": True},
            {"name": "rest", "points": 3, "requires": [], "pretest": False},
        ]
    )
    TaskTest.objects.update(group="rest")
    TaskTest.objects.filter(name="sample-1").update(group="first")
    page = opened(site.visitor(candidate))
    write(page, "print(4)")

    page.get_by_role("button", name="Check solution").click()

    page.locator(".hidden-tests").wait_for()
    assert "0 of 4 points" in page.inner_text(".result__facts")
    page.locator("summary", has_text="sample-2").click()
    second = page.locator(".tests > li").nth(1).inner_text()
    assert "Not run: tests that have to pass first did not." in second
    assert "Nothing was printed." not in second


def test_skipping_asks_first(site, session, candidate):
    page = opened(site.visitor(candidate))
    page.get_by_role("button", name="Skip this task").click()
    page.get_by_role("button", name="Stay with it").click()
    assert not Assignment.objects.filter(close_reason="skipped").exists()
    page.get_by_role("button", name="Skip this task").click()
    page.get_by_role("button", name="Skip it").click()
    until(lambda: Assignment.objects.filter(close_reason="skipped").count() == 1)
    page.get_by_text("Task 2", exact=True).wait_for()


def test_running_too_often_counts_down(site, session, candidate, settings):
    settings.THROTTLES = {**settings.THROTTLES, "judge": (1, 60)}
    page = opened(site.visitor(candidate))
    run = page.locator("#run")
    run.click()
    page.locator(".result__head").wait_for()
    run.click()
    page.get_by_text("That was too fast.").wait_for()
    assert re.fullmatch(r"Run examples \(\d+\)", run.inner_text())
    assert run.is_disabled()


def test_the_editor_is_no_trap_for_the_keyboard(site, session, candidate):
    page = opened(site.visitor(candidate))
    page.focus(".cm-content")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.classList.contains('cm-content')")
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "run"
    page.uncheck("#tab-indents")
    page.focus(".cm-content")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "run"
    hint = page.get_attribute(".cm-content", "aria-describedby")
    assert "leaves the editor" in page.inner_text(f"#{hint}")


# --- For everyone -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "scheme", "locale"),
    [
        pytest.param(DESKTOP, "light", "en", id="desktop-light-en"),
        pytest.param(DESKTOP, "dark", "ru", id="desktop-dark-ru"),
        pytest.param(PHONE, "light", "ru", id="phone-light-ru"),
        pytest.param(PHONE, "dark", "en", id="phone-dark-en"),
    ],
)
def test_every_state_of_the_page_is_accessible(site, bank, make_user, size, scheme, locale):
    user = make_user("lovelace")
    options = {"viewport": size, "color_scheme": scheme, "locale": locale}
    seen = []

    def look(page, name):
        page.wait_for_load_state("load")
        seen.extend(f"{name}: {line}" for line in violations(page))
        if overflow(page):
            seen.append(f"{name}: {overflow(page)} px too wide")

    visitor = site.visitor(**options)
    for path in ("/", "/interview/", "/play/", "/accounts/password_reset/", "/nowhere"):
        visitor.goto(path)
        look(visitor, path)
    page = site.visitor(user, **options)
    page.goto("/interview/")
    look(page, "start")
    page.click("#start")
    page.locator("#start-signals_error").wait_for()
    look(page, "start with an error")

    session = make_session(user)
    opened(page)
    for view in ("task", "code", "chat"):
        tab = page.locator(f'[data-show="{view}"]')
        if tab.is_visible():
            tab.click()
        if view == "code":
            page.click("#check")
            page.locator(".hidden-tests").wait_for()
        look(page, view)
    page.click("#finish")
    look(page, "dialog")
    page.locator("dialog button[value=yes]").click()
    page.wait_for_url(f"**session={session.pk}")
    look(page, "finished")
    assert seen == []
    assert CodingTask.objects.count() == len(bank)
