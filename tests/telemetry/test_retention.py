"""Deleting raw events: what goes, what stays, and that no id ever counts twice."""

from __future__ import annotations

import importlib
import json
import threading
import time
from datetime import UTC, date, datetime, timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from leaderboard import rebuild
from leaderboard.models import PlayerHold, Standing
from telemetry import ingest, retention, tombstones
from telemetry.jobs import prune_old_events
from telemetry.models import EventConflict, EventPrune, GameEvent, QuarantinedEvent, Tombstone
from telemetry.retention import RetentionError, Scope
from tests.telemetry.test_events import counts, event, post

pytestmark = pytest.mark.django_db(transaction=True)

OLD = datetime(2026, 1, 20, 12, tzinfo=UTC)
LIMIT = datetime(2026, 3, 1, tzinfo=UTC)


def trial(number, user_id="u", day="2026-01-20", **fields):
    return event(f"{user_id}-{number}", user_id=user_id, event_ts=f"{day}T12:00:00Z", **fields)


def age(moment=OLD, **selection):
    """As if these had been received then."""
    GameEvent.objects.filter(**selection).update(received_at=moment)


def cells():
    return rebuild.stored_cells()


def test_a_dry_run_counts_and_deletes_nothing(capsys):
    post([trial(1), trial(2), event("j", event_type="jump"), {"bad": 1}])
    age(event_id__startswith="u-")
    age(datetime(2026, 2, 3, tzinfo=UTC), event_id="j")
    QuarantinedEvent.objects.update(received_at=OLD)
    post([trial(3)])
    call_command("prune_events", before="2026-03-01")
    said = capsys.readouterr().out
    assert [line.split() for line in said.splitlines()[:2]] == [
        ["2026-01", "task_result", "2"],
        ["2026-02", "jump", "1"],
    ]
    assert "3 events, 1 quarantined (1 still wait" in said
    assert "To stay: 1 events" in said
    assert "Nothing was deleted" in said
    assert (GameEvent.objects.count(), Tombstone.objects.count()) == (4, 0)
    assert not EventPrune.objects.exists()


def test_old_events_go_and_their_ids_stay_taken():
    post([trial(1), trial(2), {"bad": 1}])
    post([trial(1, payload={"other": 1})])
    age()
    QuarantinedEvent.objects.update(received_at=OLD)
    post([trial(3), {"bad": 2}])
    before = cells()
    call_command("prune_events", before="2026-03-01", yes=True, verbosity=0)
    assert [row.event_id for row in GameEvent.objects.all()] == ["u-3"]
    assert not EventConflict.objects.exists()
    assert [json.loads(row.raw) for row in QuarantinedEvent.objects.all()] == [{"bad": 2}]
    record = EventPrune.objects.get()
    assert (record.events, record.conflicts, record.quarantined) == (2, 1, 1)
    assert (record.kind, record.before, record.standings_day) == ("age", LIMIT, date(2026, 1, 20))
    assert record.finished_at is not None
    # Neither the same nor other content comes back, alone or among new ones.
    assert counts(post([trial(1)])) == (0, 1, 0)
    assert counts(post([trial(2, payload={"x": 1}), trial(4), trial(2)])) == (1, 2, 0)
    assert set(GameEvent.objects.values_list("event_id", flat=True)) == {"u-3", "u-4"}
    assert not EventConflict.objects.exists()
    assert sum(row.trials for row in Standing.objects.all()) == 4
    assert before.keys() == cells().keys()


def test_quarantine_cannot_bring_a_deleted_event_back():
    post([trial(1)])
    age()
    retention.prune(Scope(before=LIMIT))
    row = QuarantinedEvent.objects.create(
        index=0, reason="invalid_field", raw=json.dumps(trial(1)), received_at=timezone.now()
    )
    assert ingest.resubmit(row) == ingest.Counts(duplicate=1)
    assert not GameEvent.objects.exists()


def test_standings_stay_and_a_rebuild_keeps_the_days_that_lost_events(capsys):
    post([trial(n) for n in range(4)] + [trial(n, "v", day="2026-02-20") for n in range(3)])
    age(user_id="u")
    age(datetime(2026, 2, 20, tzinfo=UTC), user_id="v")
    post([trial(9, day="2026-01-03"), trial(10, day="2026-04-01")])  # late, and later
    was = cells()
    retention.prune(Scope(before=datetime(2026, 2, 1, tzinfo=UTC)))
    assert retention.standings_horizon() == date(2026, 1, 20)
    assert cells() == was
    assert rebuild.differences() == []
    call_command("standings", "rebuild", "--check")
    call_command("standings", "rebuild")
    assert cells() == was
    Standing.objects.filter(day=date(2026, 4, 1)).update(trials=99)
    with pytest.raises(CommandError):
        call_command("standings", "rebuild", "--check")
    call_command("standings", "rebuild")
    assert cells() == was
    capsys.readouterr()


def test_events_that_no_standing_counts_leave_every_day_rebuildable():
    post([trial(1), event("j", event_type="jump", event_ts="2026-01-20T12:00:00Z")])
    age()
    record = retention.prune(Scope(before=LIMIT, event_type="jump"))
    assert (record.events, record.event_type, record.standings_day) == (1, "jump", None)
    assert retention.standings_horizon() is None
    assert GameEvent.objects.get().event_id == "u-1"


def test_a_deletion_by_type_leaves_the_quarantine():
    post([{"bad": 1}])
    QuarantinedEvent.objects.update(received_at=OLD)
    retention.prune(Scope(before=LIMIT, event_type="task_result"))
    assert QuarantinedEvent.objects.count() == 1


def test_an_interrupted_deletion_goes_on_under_its_record():
    post([trial(n) for n in range(10)])
    age()
    first = retention.prune(Scope(before=LIMIT), batch=4, pause_s=0, until=time.monotonic())
    assert (first.finished_at, GameEvent.objects.count()) == (None, 6)
    last = retention.prune(Scope(before=LIMIT), batch=4, pause_s=0)
    assert last.pk == first.pk
    assert last.finished_at is not None
    assert (last.events, GameEvent.objects.count(), Tombstone.objects.count()) == (10, 0, 10)


def test_a_crash_between_batches_leaves_a_whole_state(monkeypatch):
    post([trial(n) for n in range(6)])
    age()
    bury, calls = tombstones.bury, []

    def crash_at_the_second(ids):
        bury(ids)
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(tombstones, "bury", crash_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        retention.prune(Scope(before=LIMIT), batch=2, pause_s=0)
    assert (GameEvent.objects.count(), Tombstone.objects.count()) == (4, 2)
    assert EventPrune.objects.get().events == 2
    assert retention.standings_horizon() == date(2026, 1, 20)
    monkeypatch.undo()
    assert retention.prune(Scope(before=LIMIT), batch=2, pause_s=0).events == 6


def test_nothing_comes_back_while_it_is_deleted():
    """Replays of the very events that are being deleted, from two sides, until all are gone."""
    batches = [[trial(f"{part}-{n}") for n in range(20)] for part in range(10)]
    for batch in batches:
        post(batch)
    age()
    done, answers = threading.Event(), []

    def replay(order):
        try:
            while not done.is_set():
                for batch in order:
                    answers.append(counts(post(batch)))
        finally:
            connection.close()

    threads = [threading.Thread(target=replay, args=(b,)) for b in (batches, batches[::-1])]
    for thread in threads:
        thread.start()
    try:
        record = retention.prune(Scope(before=LIMIT), batch=7, pause_s=0.001)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert record.events == 200
    assert set(answers) == {(0, 20, 0)}
    assert not GameEvent.objects.exists()
    assert sum(row.trials for row in Standing.objects.all()) == 200


# One player's data ---------------------------------------------------------------------------------


def test_a_players_data_go_everywhere_and_nobody_elses():
    who = "ю_42"
    post([trial(n, who) for n in range(5)] + [trial(n, "other") for n in range(5)])
    post([trial(1, who, payload={"x": 1}), trial(2, "other", payload={"x": 1})])
    # Another player's id came again with this player's content; and three odd quarantined events.
    post([event("other-3", user_id=who)])
    post([event("q1", user_id=who, event_type=""), event("q2", user_id="other", event_type="")])
    post(None, raw='{"api_key": "dev-key-change-me", "events": [{"user_id": "\\u044e_42"}]}')
    deep = '{"user_id": "\\u044e_42", "d": ' + "[" * 5000 + "]" * 5000 + "}"
    post(None, raw='{"api_key": "dev-key-change-me", "events": [' + deep + "]}")
    PlayerHold.objects.create(user_id=who, reason="odd")
    PlayerHold.objects.create(user_id="other", reason="odd")
    assert (EventConflict.objects.count(), QuarantinedEvent.objects.count()) == (3, 4)
    call_command("prune_events", user_id=who, yes=True, verbosity=0)
    assert set(GameEvent.objects.values_list("user_id", flat=True)) == {"other"}
    assert GameEvent.objects.count() == 5
    conflict = EventConflict.objects.get()
    assert conflict.event.event_id == "other-2"
    assert json.loads(QuarantinedEvent.objects.get().raw)["event_id"] == "q2"
    assert {row.user_id for row in Standing.objects.all()} == {"other"}
    assert {row.user_id for row in PlayerHold.objects.all()} == {"other"}
    record = EventPrune.objects.get()
    assert (record.events, record.conflicts, record.quarantined) == (5, 2, 3)
    assert record.player_digest == retention.player_digest(who)
    assert who not in json.dumps(list(EventPrune.objects.values()), default=str, ensure_ascii=False)
    # Old play does not come back; new play of the same id is new.
    assert counts(post([trial(1, who), trial(77, who)])) == (1, 1, 0)
    assert rebuild.differences() == []


def test_a_deletion_that_somebody_began_twice_is_finished():
    post([trial(n) for n in range(3)])
    age()
    for _process in range(2):
        EventPrune.objects.create(kind=EventPrune.Kind.AGE, before=LIMIT)
    for left in (1, 0):
        assert retention.prune(Scope(before=LIMIT)).finished_at is not None
        assert EventPrune.objects.filter(finished_at=None).count() == left
    assert sum(row.events for row in EventPrune.objects.all()) == 3


def test_whether_a_players_data_were_deleted_can_be_asked(capsys):
    post([trial(1), trial(1, "other")])
    call_command("prune_events", user_id="u", yes=True, verbosity=0)
    capsys.readouterr()
    for user_id, said in (("u", True), ("other", False)):
        call_command("prune_events", user_id=user_id)
        assert ("were deleted on" in capsys.readouterr().out) == said
    assert EventPrune.objects.count() == 1


def test_a_players_data_stay_when_a_room_above_cannot_let_go():
    from telemetry.signals import player_erased

    def refuse(**kwargs):
        raise RuntimeError("not now")

    post([trial(1)])
    player_erased.connect(refuse)
    try:
        with pytest.raises(RuntimeError):
            retention.prune(Scope(user_id="u"))
    finally:
        player_erased.disconnect(refuse)
    assert EventPrune.objects.get().finished_at is None
    assert Standing.objects.exists()
    assert retention.prune(Scope(user_id="u")).finished_at is not None
    assert not Standing.objects.exists()


# By setting ----------------------------------------------------------------------------------------


def test_without_the_setting_nothing_is_ever_deleted(settings):
    assert settings.EVENT_RETENTION_DAYS is None
    post([trial(1)])
    age()
    assert prune_old_events.func() == 0
    assert GameEvent.objects.count() == 1


def test_the_setting_keeps_whole_days(settings):
    settings.EVENT_RETENTION_DAYS = 30
    now = datetime(2026, 3, 31, 15, 30, tzinfo=UTC)
    limit = datetime(2026, 3, 1, tzinfo=UTC)
    assert retention.retention_limit(now) == limit
    post([trial(1), trial(2)])
    age(limit, event_id="u-1")
    age(limit - timedelta(microseconds=1), event_id="u-2")
    assert retention.prune_by_setting(now) == 1
    assert GameEvent.objects.get().event_id == "u-1"
    assert retention.prune_by_setting(now) == 0
    assert EventPrune.objects.count() == 1  # a day without work leaves no record


def test_what_one_run_did_not_finish_the_next_day_does(settings):
    settings.EVENT_RETENTION_DAYS = 30
    post([trial(n) for n in range(6)])
    age()
    now = datetime(2026, 3, 31, tzinfo=UTC)
    limit = retention.retention_limit(now)
    retention.prune(Scope(before=limit), batch=4, pause_s=0, until=time.monotonic())
    assert retention.prune_by_setting(now + timedelta(days=1)) == 2
    assert [row.finished_at is None for row in EventPrune.objects.all()] == [False]


@pytest.mark.parametrize("days", ["0", "-3"])
def test_a_setting_without_sense_is_said_at_the_start(days, monkeypatch):
    from neurogame import settings as module

    monkeypatch.setenv("EVENT_RETENTION_DAYS", days)
    with pytest.raises(ImproperlyConfigured, match="EVENT_RETENTION_DAYS"):
        importlib.reload(module)
    monkeypatch.undo()
    importlib.reload(module)


# Around it -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"before": "01.02.2026"},
        {"older_than": "a year"},
        {"older_than": "0d"},
        {"before": "2999-01-01"},
        {"before": "2026-01-01", "older_than": "3d"},
        {"user_id": "u", "event_type": "jump"},
        {"user_id": ""},
        {"before": "2026-01-01", "batch": 0},
    ],
)
def test_what_makes_no_sense_is_refused(options):
    with pytest.raises((CommandError, RetentionError)):
        call_command("prune_events", yes=True, **options)


def test_an_age_counts_whole_days(capsys):
    post([trial(1), trial(2)])
    today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    age(today - timedelta(days=10), event_id="u-1")
    age(today - timedelta(days=11), event_id="u-2")
    call_command("prune_events", older_than="10d", yes=True, verbosity=0)
    assert GameEvent.objects.get().event_id == "u-1"


def test_looking_for_tombstones_costs_one_query_at_most(django_assert_num_queries, monkeypatch):
    monkeypatch.setattr(tombstones, "_any", False)
    ids = [f"id-{n}" for n in range(500)]
    with django_assert_num_queries(1):
        assert tombstones.buried(ids) == set()
    with django_assert_num_queries(0):
        assert tombstones.buried([]) == set()
    tombstones.bury(ids[:3])
    with django_assert_num_queries(2):
        assert tombstones.buried(ids) == set(ids[:3])
    with django_assert_num_queries(1):
        assert tombstones.buried(ids) == set(ids[:3])


def test_deletions_are_shown_to_superusers_alone(client, make_user):
    post([trial(1)])
    age()
    retention.prune(Scope(before=LIMIT))
    url = "/admin/telemetry/eventprune/"
    client.force_login(make_user("boss", is_staff=True, is_superuser=True))
    page = client.get(url)
    assert page.status_code == 200
    assert "2026" in page.content.decode()
    record = EventPrune.objects.get()
    assert client.get(f"{url}{record.pk}/change/").status_code == 200
    assert client.post(f"{url}{record.pk}/delete/", {"post": "yes"}).status_code == 403
    client.force_login(make_user("helper", is_staff=True))
    assert client.get(url).status_code == 403


def test_event_ids_have_one_index():
    """PostgreSQL would keep a second one for LIKE, of the size of the first, which nothing asks."""
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, "telemetry_gameevent")
    on_ids = [one for one in constraints.values() if one["columns"] == ["event_id"]]
    assert [one["unique"] for one in on_ids] == [True]


def test_the_migration_goes_back_and_forth():
    module = importlib.import_module("telemetry.migrations.0004_retention")
    before = dict(module.Migration.dependencies)["telemetry"]
    call_command("migrate", "telemetry", before, verbosity=0)
    with connection.cursor() as cursor:
        assert "telemetry_tombstone" not in connection.introspection.table_names(cursor)
    call_command("migrate", "telemetry", verbosity=0)
    test_event_ids_have_one_index()
