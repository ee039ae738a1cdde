"""Events, quarantine, conflicts, keys and model versions on the desk."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from asgiref.sync import async_to_sync
from django.contrib.admin.models import LogEntry
from django.template.defaultfilters import filesizeformat
from django.test import AsyncClient, Client
from django.utils import timezone

from interviews.models import Team
from neurogame import exports
from telemetry import keys
from telemetry.export import Selection
from telemetry.export_progress import Progress, key_of, progress_of
from telemetry.export_stream import Reader
from telemetry.models import (
    ApiKey,
    EventConflict,
    GameEvent,
    ModelVersion,
    QuarantinedEvent,
)
from tests.desk import (
    EVIL,
    address,
    elements,
    event,
    inline_scripts,
    page_of,
    quarantined,
    root,
    session,
    signal,
    signed_in,
    staff,
)

pytestmark = pytest.mark.django_db

EVENTS = "telemetry.GameEvent"
QUARANTINE = "telemetry.QuarantinedEvent"
CONFLICTS = "telemetry.EventConflict"
KEYS = "telemetry.ApiKey"
GOOD = {
    "event_id": "again-1",
    "event_type": "task_result",
    "event_ts": "2026-02-17T12:05:11Z",
    "user_id": "u_42",
    "payload": {"correct": True, "rt_ms": 900},
}


@pytest.fixture
def analyst(db) -> Client:
    return signed_in(staff("analyst", "Analysts"))


@pytest.fixture
def recruiter(db) -> Client:
    return signed_in(staff("recruiter", "Recruiters"))


@pytest.fixture
def operator(db) -> Client:
    return signed_in(root())


def listed(client: Client, label: str, query: str = "") -> list:
    return list(client.get(address(label) + query).context["cl"].result_list)


# --- Events -------------------------------------------------------------------------------------


def test_events_are_filtered_and_found(analyst):
    day = datetime(2026, 3, 1, 23, 59, tzinfo=UTC)
    one = event(user_id="u_1", event_type="level_up", received_at=day, model_version="m2")
    two = event(user_id="u_2", received_at=day + timedelta(minutes=1), session_id="s_2")
    assert listed(analyst, EVENTS) == [two, one]
    for query in (
        "?event_type__exact=level_up",
        "?user_id__exact=u_1",
        "?model_version__exact=m2",
        "?received_at_from=2026-03-01&received_at_to=2026-03-01",
        f"?q={one.event_id}",
    ):
        assert listed(analyst, EVENTS, query) == [one], query
    assert listed(analyst, EVENTS, "?received_at_from=2026-03-02") == [two]
    assert listed(analyst, EVENTS, "?q=s_2") == [two]
    assert listed(analyst, EVENTS, "?received_at_from=never") == [two, one]


def test_an_event_is_shown_as_it_was_sent(analyst):
    row = event(raw=json.dumps({"event_id": "x", "text": EVIL}), user_id=EVIL)
    html = analyst.get(page_of(row)).content.decode()
    assert "&quot;event_id&quot;: &quot;x&quot;" in html
    assert inline_scripts(html) == []
    assert "<script>alert" not in html


def test_pages_of_events_are_not_counted(analyst, django_assert_max_num_queries):
    event()
    with django_assert_max_num_queries(20) as seen:
        analyst.get(address(EVENTS))
    counts = [q["sql"] for q in seen if "COUNT(" in q["sql"] and "gameevent" in q["sql"]]
    assert counts == []


def test_a_page_after_the_last_is_empty(analyst):
    event()
    assert listed(analyst, EVENTS, "?p=7") == []


# --- The export of events -----------------------------------------------------------------------


def download(user, query: str):
    """The answer and its body, through the asynchronous handler that serves the product."""

    async def get():
        client = AsyncClient()
        await client.aforce_login(user)
        answer = await client.get(address(EVENTS, "export") + query)
        return answer, b"".join([part async for part in answer.streaming_content])

    answer, body = async_to_sync(get)()
    return answer, body.decode()


@pytest.mark.django_db(transaction=True)
def test_events_are_streamed_as_csv_with_the_filters():
    day = datetime(2026, 3, 1, 12, tzinfo=UTC)
    raw = '{"event_id": "=1+1", "user_id": "u_1"}'
    event(event_id="=1+1", user_id="u_1", received_at=day, raw=raw)
    event(user_id="u_2", received_at=day)
    event(user_id="u_1", received_at=day + timedelta(days=1))
    query = "?download=1&form=csv&user_id=u_1&first=2026-03-01&last=2026-03-01"
    answer, body = download(staff("analyst", "Analysts"), query)
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"].startswith('attachment; filename="events-')
    (row,) = csv.DictReader(io.StringIO(body))
    assert (row["event_id"], row["user_id"]) == ("'=1+1", "u_1")


@pytest.mark.django_db(transaction=True)
def test_events_are_streamed_as_ndjson_of_any_number():
    now = timezone.now()
    GameEvent.objects.bulk_create(
        GameEvent(
            event_id=f"e{n}", event_type="t", effective_ts=now, received_at=now, user_id="u",
            raw=json.dumps({"event_id": f"e{n}", "=": "=1"}),
        )
        for n in range(4500)
    )  # fmt: skip
    answer, body = download(staff("analyst", "Analysts"), "?download=1&form=ndjson")
    assert answer["Content-Type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in body.splitlines()]
    assert [line["event_id"] for line in lines] == [f"e{n}" for n in range(4500)]
    assert lines[0]["="] == "=1"
    (entry,) = LogEntry.objects.all()
    assert entry.change_message.startswith("Exported as ndjson")


def test_the_export_begins_with_the_filters_of_the_list(analyst):
    query = "?event_type__exact=level_up&received_at_from=2026-03-01&received_at_to=2026-03-02"
    link = address(EVENTS, "export") + query
    links = [
        attrs.get("href")
        for _tag, attrs in elements(analyst.get(address(EVENTS) + query).content.decode())
    ]
    assert any(href and href.startswith(address(EVENTS, "export") + "?") for href in links)
    form = analyst.get(link).context["form"]
    assert form.initial["event_type"] == "level_up"
    assert (str(form.initial["first"]), str(form.initial["last"])) == ("2026-03-01", "2026-03-02")


@pytest.mark.parametrize(
    "query", ["?download=1", "?download=1&form=exe", "?download=1&form=csv&first=x"]
)
def test_a_wrong_export_is_said(analyst, query):
    answer = analyst.get(address(EVENTS, "export") + query)
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert answer.context["form"].errors


def test_the_filters_and_the_search_of_the_list_are_counted(analyst):
    event(user_id="u_1", model_version="m1")
    event(user_id="u_1", model_version="m2")
    event(user_id="u_2", model_version="m1")

    def count(query):
        return analyst.get(address(EVENTS, "export") + query).context["count"]

    assert count("") == 3
    assert count("?model_version__exact=m1") == 2
    assert count("?user_id__exact=u_1&model_version__exact=m1") == 1
    assert count("?q=u_2") == 1
    assert count("?count=1&form=csv&user_id=u_1") == 2
    assert count("?count=1&form=csv&first=x") is None


@pytest.mark.django_db(transaction=True)
def test_a_download_can_be_followed_by_whoever_began_it():
    event(user_id="u_1")
    event(user_id="u_2")
    someone, token = staff("analyst", "Analysts"), "0123456789abcdef"
    client = signed_in(someone)
    begun = client.get(address(EVENTS, "export_progress", token)).json()
    assert (begun["done"], begun["finished"]) == (0, False)
    answer, body = download(someone, f"?download=1&form=ndjson&token={token}")
    assert answer["X-Neurogame-As-Of"] == str(GameEvent.objects.latest("seq").seq)
    progress = client.get(address(EVENTS, "export_progress", token)).json()
    assert (progress["done"], progress["total"], progress["finished"]) == (2, 2, True)
    assert progress["text"] == f"Complete: 2 events, {filesizeformat(len(body))}."
    other = signed_in(staff("other", "Analysts"))
    assert other.get(address(EVENTS, "export_progress", token)).json()["done"] == 0
    assert client.get(address(EVENTS, "export_progress", "short")).status_code == 404
    (entry,) = LogEntry.objects.all()
    assert token not in entry.change_message


@pytest.mark.django_db(transaction=True)
def test_a_download_that_breaks_off_is_said():
    for number in range(3):
        event(user_id=f"u_{number}")
    key = key_of(1, "0123456789abcdef")
    selection = Selection().snapshot()
    reader = Reader(selection, form="csv", watch=Progress(key, 3))
    assert reader.read()
    reader.stop()
    said = progress_of(key)
    assert said["finished"]
    assert said["text"].startswith("Broken off after 0 of 3 events: the file is not complete.")


def test_progress_is_shown_only_to_who_may_see_events(recruiter, client):
    page = address(EVENTS, "export_progress", "0123456789abcdef")
    assert recruiter.get(page).status_code == 403
    assert client.get(page).status_code == 302


@pytest.mark.parametrize("model", [QUARANTINE, CONFLICTS])
def test_quarantine_and_conflicts_are_exported_within_a_bound(analyst, monkeypatch, model):
    first = event(event_id="kept")
    for number in range(2):
        quarantined(reason="invalid_field", raw="=1+1")
        EventConflict.objects.create(event=first, digest=str(number), raw="=1+1")
    resource = "quarantineresource" if model == QUARANTINE else "conflictresource"
    fields = {f"{resource}_{name}": "on" for name in ("id", "raw", "later")}
    asked = {"format": "0", "resource": "0", **fields}
    answer = analyst.post(address(model, "export"), asked)
    assert answer["Content-Type"] == "text/csv"
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert {row.get("raw") or row["later"] for row in rows} == {"'=1+1"}
    assert len(rows) == 2
    monkeypatch.setattr(exports, "MAX_ROWS", 1)
    answer = analyst.post(address(model, "export"), asked, follow=True)
    assert "More than 1 rows: narrow the list" in answer.content.decode()


@pytest.mark.parametrize("query", ["", "?download=1&form=csv"])
def test_events_are_exported_only_by_who_may_see_them(recruiter, client, query):
    assert recruiter.get(address(EVENTS, "export") + query).status_code == 403
    assert client.get(address(EVENTS, "export") + query).status_code == 302


# --- Quarantine ---------------------------------------------------------------------------------


def test_the_quarantine_is_filtered(analyst):
    now = timezone.now()
    waits = quarantined(reason="missing_field")
    done = quarantined(reason="too_large", resolved_at=now)
    assert set(listed(analyst, QUARANTINE)) == {waits, done}
    assert listed(analyst, QUARANTINE, "?waiting=yes") == [waits]
    assert listed(analyst, QUARANTINE, "?waiting=no") == [done]
    assert listed(analyst, QUARANTINE, "?reason__exact=too_large") == [done]
    assert len(listed(analyst, QUARANTINE, "?source__exact=game")) == 2


def test_the_raw_json_is_shown_whatever_it_is(analyst):
    for raw in ('{"a": "' + EVIL.replace('"', "'") + '"}', "not json {", "[" * 60_000, "null", "0"):
        html = analyst.get(page_of(quarantined(raw=raw, detail=EVIL))).content.decode()
        assert inline_scripts(html) == []
        assert "<script>alert" not in html


def test_signals_in_quarantine_are_the_teams(analyst):
    team = Team.objects.create(name="Core")
    mine = quarantined(source="anticheat", session=session(team))
    quarantined(source="anticheat", session=session())
    recruiter = staff("recruiter", "Recruiters", teams=(team,))
    assert signed_in(recruiter).get(address(QUARANTINE)).status_code == 403
    assert listed(analyst, QUARANTINE) == []
    both = staff("both", "Recruiters", "Analysts", teams=(team,))
    assert listed(signed_in(both), QUARANTINE) == [mine]
    assert len(listed(signed_in(root()), QUARANTINE)) == 2


def test_what_was_mended_is_submitted_again(analyst):
    good = quarantined(raw=json.dumps(GOOD), reason="database")
    bad = quarantined(raw='{"event_id": "x"}', reason="old_reason")
    other = quarantined(source="anticheat", raw=json.dumps(GOOD | {"event_id": "a"}))
    chosen = [str(row.pk) for row in (good, bad, other)]
    answer = analyst.post(
        address(QUARANTINE), {"action": "submit_again", "_selected_action": chosen}, follow=True
    )
    html = answer.content.decode()
    assert "1 event was stored." in html
    assert "1 event was refused again" in html
    good.refresh_from_db()
    bad.refresh_from_db()
    assert good.resolved_at is not None
    assert (bad.resolved_at, bad.reason == "old_reason") == (None, False)
    assert [row.event_id for row in GameEvent.objects.all()] == ["again-1"]


def test_what_is_resolved_is_left_alone(analyst):
    row = quarantined(raw=json.dumps(GOOD), resolved_at=timezone.now())
    chosen = {"action": "submit_again", "_selected_action": [str(row.pk)]}
    assert (
        "1 was left alone"
        in analyst.post(address(QUARANTINE), chosen, follow=True).content.decode()
    )
    assert not GameEvent.objects.exists()


def test_submitting_again_needs_its_permission():
    from django.contrib.auth.models import Permission

    user = staff("viewer")
    user.user_permissions.add(Permission.objects.get(codename="view_quarantinedevent"))
    row = quarantined(raw=json.dumps(GOOD))
    client = signed_in(user)
    assert listed(client, QUARANTINE) == [row]
    chosen = {"action": "submit_again", "_selected_action": [str(row.pk)]}
    client.post(address(QUARANTINE), chosen)
    row.refresh_from_db()
    assert row.resolved_at is None


def test_a_conflict_shows_both_contents(analyst):
    row = EventConflict.objects.create(
        event=event(raw='{"rt_ms": 1}'), digest="1", raw='{"rt_ms": 2}'
    )
    html = analyst.get(page_of(row)).content.decode()
    assert "&quot;rt_ms&quot;: 1" in html
    assert "&quot;rt_ms&quot;: 2" in html
    assert "?q=" in analyst.get(page_of(row.event)).content.decode()


# --- Keys ---------------------------------------------------------------------------------------


def shown_key(answer) -> str:
    values = [
        attrs["value"] for tag, attrs in elements(answer.content.decode())
        if tag == "input" and attrs.get("id") == "key-text"
    ]  # fmt: skip
    return values[0] or ""


def made(operator, **fields) -> tuple[ApiKey, str]:
    answer = operator.post(address(KEYS, "add"), {"name": "Game", "can_ingest": "on"} | fields)
    assert answer.status_code == 200
    return ApiKey.objects.latest("pk"), shown_key(answer)


def test_a_key_is_made_and_its_text_shown_once(operator):
    key, text = made(operator, requests_per_minute="60")
    grant = keys.check(text)
    assert grant is not None
    assert (grant.can_ingest, grant.can_export, grant.requests_per_minute) == (True, False, 60)
    assert str(key.created_by) == "root"
    for path in (address(KEYS), page_of(key), page_of(key, "history"), address("admin.LogEntry")):
        html = operator.get(path).content.decode()
        assert text not in html
        assert key.digest not in html
        assert text[:10] in html or path != page_of(key)


def test_a_key_is_rotated_with_an_overlap(operator):
    old, text = made(operator)
    assert operator.get(page_of(old, "rotate")).status_code == 200
    assert ApiKey.objects.count() == 1
    answer = operator.post(page_of(old, "rotate"), {"overlap": "3"})
    new, successor = ApiKey.objects.get(replaces=old), shown_key(answer)
    assert keys.check(text) is not None
    assert keys.check(successor) is not None
    assert str(new.created_by) == "root"
    old.refresh_from_db()
    assert timedelta(days=2) < old.expires_at - timezone.now() <= timedelta(days=3)
    again = operator.post(page_of(old, "rotate"), {"overlap": "3"}, follow=True)
    assert "has a successor already" in again.content.decode()


@pytest.mark.parametrize("overlap", ["-1", "366", "x", ""])
def test_a_wrong_overlap_is_said(operator, overlap):
    key, _text = made(operator)
    answer = operator.post(page_of(key, "rotate"), {"overlap": overlap})
    assert answer.context["form"].errors
    assert ApiKey.objects.count() == 1


def test_a_key_is_revoked_after_a_question(operator):
    key, text = made(operator)
    assert operator.get(page_of(key, "revoke")).status_code == 200
    assert keys.check(text) is not None
    operator.post(page_of(key, "revoke"))
    assert keys.check(text) is None
    assert operator.post(page_of(key), {"name": "x"}).status_code == 403
    assert operator.post(page_of(key, "delete"), {"post": "yes"}).status_code == 403
    html = operator.post(page_of(key, "rotate"), {"overlap": "1"}, follow=True).content.decode()
    assert "cannot be rotated" in html


def test_a_key_is_renamed_and_rescoped(operator):
    key, text = made(operator)
    answer = operator.post(
        page_of(key), {"name": "Lab", "can_export": "on", "expires_at_0": "", "expires_at_1": ""}
    )
    assert answer.status_code == 302
    grant = keys.check(text)
    assert grant is not None
    assert (grant.can_ingest, grant.can_export) == (False, True)


@pytest.mark.parametrize("who", ["analyst", "recruiter"])
def test_keys_are_for_superusers(who, request):
    client, (key, _text) = request.getfixturevalue(who), keys.make(name="x")
    for path in (
        address(KEYS),
        address(KEYS, "add"),
        page_of(key),
        page_of(key, "rotate"),
        page_of(key, "revoke"),
    ):
        assert client.get(path).status_code == 403
    assert client.post(page_of(key, "revoke")).status_code == 403
    assert client.post(page_of(key, "rotate"), {"overlap": "1"}).status_code == 403
    assert client.post(address(KEYS, "add"), {"name": "x"}).status_code == 403
    assert ApiKey.objects.usable().count() == 1


# --- Model versions -----------------------------------------------------------------------------


def test_unregistered_versions_are_listed_and_registered(analyst):
    unknown = ModelVersion.objects.create(name="exp_9", status="unregistered")
    assert listed(analyst, "telemetry.ModelVersion", "?status__exact=unregistered") == [unknown]
    chosen = {"action": "register_versions", "_selected_action": [str(unknown.pk)]}
    assert (
        "1 version was registered."
        in analyst.post(address("telemetry.ModelVersion"), chosen, follow=True).content.decode()
    )
    unknown.refresh_from_db()
    assert unknown.status == "registered"
    again = analyst.post(address("telemetry.ModelVersion"), chosen, follow=True)
    assert "registered already" in again.content.decode()


def test_registering_leaves_the_champion_alone(analyst):
    row = ModelVersion.objects.create(name="best", status="champion")
    chosen = {"action": "register_versions", "_selected_action": [str(row.pk)]}
    analyst.post(address("telemetry.ModelVersion"), chosen)
    row.refresh_from_db()
    assert row.status == "champion"


def test_only_notes_can_be_edited(analyst):
    row = ModelVersion.objects.create(name="m1", metrics={"auc": 0.7})
    analyst.post(
        page_of(row), {"notes": "good", "name": "other", "metrics": "{}", "status": "champion"}
    )
    row.refresh_from_db()
    assert (row.notes, row.name, row.metrics, row.status) == (
        "good", "m1", {"auc": 0.7}, "registered",
    )  # fmt: skip
    assert analyst.get(address("telemetry.ModelVersion", "add")).status_code == 403


def test_a_recruiter_registers_nothing(recruiter):
    row = ModelVersion.objects.create(name="exp_9", status="unregistered")
    chosen = {"action": "register_versions", "_selected_action": [str(row.pk)]}
    assert recruiter.post(address("telemetry.ModelVersion"), chosen).status_code == 403


# --- Signals ------------------------------------------------------------------------------------


def test_signals_are_the_teams(recruiter):
    team = Team.objects.create(name="Core")
    mine, other = signal(team), signal(Team.objects.create(name="Other"))
    signal()
    client = signed_in(staff("member", "Recruiters", teams=(team,)))
    assert listed(client, "telemetry.AntiCheatSignal") == [mine]
    assert client.get(page_of(other)).status_code == 302
    assert listed(client, "telemetry.AntiCheatSignal", "?type__exact=paste") == [mine]
    assert QuarantinedEvent.objects.count() == 0
