"""The gate's verdict, the immutable registry, and who becomes champion by whose decision."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import IntegrityError, connection, transaction
from django.test import RequestFactory

from telemetry.models import GateResult, Immutable, ModelVersion
from telemetry.training import champions, gate, registry
from tests.desk import staff

FINE = {"value": 0.02, "low": 0.01, "high": 0.03}


def verdict(**fields: Any) -> dict[str, Any]:
    return gate.judge(**{"gain": FINE, "ece": 0.02, "players": 100, "against": "m", **fields})


@pytest.mark.parametrize(
    ("fields", "reasons"),
    [
        ({}, []),
        ({"ece": 0.03}, []),
        ({"ece": 0.0301}, ["miscalibrated"]),
        ({"ece": None}, ["miscalibrated"]),
        ({"players": 30}, []),
        ({"players": 29}, ["few_players"]),
        ({"gain": {"value": 0.02, "low": 0.0, "high": 0.03}}, ["not_better"]),
        ({"gain": {"value": 0.02, "low": -0.01, "high": 0.03}}, ["not_better"]),
        ({"gain": {"value": -0.02, "low": -0.03, "high": -0.01}}, ["not_better"]),
        ({"gain": {"value": 0.02, "low": None, "high": None}}, ["no_interval"]),
        (
            {"gain": {"value": 0.0, "low": 0.0, "high": 0.0}, "ece": 0.5, "players": 1},
            ["not_better", "miscalibrated", "few_players"],
        ),
    ],
)
def test_gate_says_why(fields: dict[str, Any], reasons: list[str]) -> None:
    found = verdict(**fields)
    assert found["reasons"] == reasons
    assert found["passed"] == (not reasons)
    assert set(reasons) <= set(gate.REASONS)


# The registry ----------------------------------------------------------------------------------------

CONTENT: dict[str, Any] = {
    "kind": "elo",
    "metrics": {"auc": 0.7},
    "params": {"items": {"a": 0.1, "b": 1e-7}},
    "manifest": {"seed": 1},
    "artefact": "models/m1",
    "card": "# m1",
    "seed": 1,
    "code_version": "c",
    "snapshot_sha256": "s",
}


def registered(name: str = "m1", **fields: Any) -> ModelVersion:
    return registry.register(name=name, **{**CONTENT, **fields})[0]


def judged(version: ModelVersion, against: ModelVersion | None = None, **fields: Any) -> None:
    registry.record(version, against, verdict(**fields))


@pytest.mark.django_db
def test_registering_twice_changes_nothing() -> None:
    first, created = registry.register(name="m1", **CONTENT)
    again, created_again = registry.register(name="m1", **{**CONTENT, "artefact": "elsewhere"})
    assert (created, created_again, first.pk) == (True, False, again.pk)
    assert again.artefact == "models/m1"


@pytest.mark.django_db
@pytest.mark.parametrize("field", sorted(set(CONTENT) - {"artefact"}))
def test_registered_content_never_changes(field: str) -> None:
    version = registered()
    other = {"x": 1} if isinstance(CONTENT[field], dict) else 7 if field == "seed" else "other"
    with pytest.raises(registry.RegistryError, match="Choose another name"):
        registered(**{field: other})
    setattr(version, field, other)
    with pytest.raises(Immutable, match=field):
        version.save()
    with pytest.raises(Immutable, match=field):
        version.save(update_fields=[field])
    with pytest.raises(IntegrityError), transaction.atomic():
        ModelVersion.objects.filter(pk=version.pk).update(**{field: other})
    version.refresh_from_db()
    assert getattr(version, field) == CONTENT[field]


@pytest.mark.django_db
def test_rest_of_a_registered_version_may_change_and_it_is_never_deleted() -> None:
    version = registered()
    version.notes, version.status = "good", "archived"
    version.save()
    ModelVersion.objects.filter(pk=version.pk).update(notes="better")
    with pytest.raises(Immutable, match="never deleted"):
        version.delete()
    version.refresh_from_db()
    assert (version.notes, version.status) == ("better", "archived")


@pytest.mark.django_db
def test_champion_stays_champion_when_registered_again() -> None:
    registered()
    ModelVersion.objects.filter(name="m1").update(status="champion")
    assert registered().status == "champion"


@pytest.mark.django_db
@pytest.mark.parametrize("status", ["unregistered", "registered"])
def test_version_seen_in_events_is_filled_in(status: str) -> None:
    seen = ModelVersion.objects.create(name="m1", status=status)
    version, created = registry.register(name="m1", **CONTENT)
    assert (version.pk, created) == (seen.pk, True)
    assert version.status == "registered"
    assert version.params == CONTENT["params"]


@pytest.mark.django_db
def test_first_verdict_stands_and_there_is_one_for_each_champion() -> None:
    version, other = registered(), registered("m2")
    judged(version)
    judged(version, ece=0.9)
    judged(version, other, ece=0.9)
    found = registry.verdict(version, None)
    assert found is not None
    assert found.passed
    assert GateResult.objects.count() == 2
    for champion in (None, other):
        with pytest.raises(IntegrityError), transaction.atomic():
            GateResult.objects.create(version=version, champion=champion, passed=True)


# Champions -------------------------------------------------------------------------------------------


@pytest.fixture
def request_of(db: Any) -> Any:
    """A function that makes a request of a signed-in user."""

    def make(user: Any) -> Any:
        request = RequestFactory().post("/")
        request.user = user
        return request

    return make


@pytest.fixture
def analyst(request_of: Any) -> Any:
    return request_of(staff("analyst", "Analysts"))


@pytest.fixture
def overrider(request_of: Any) -> Any:
    user = staff("lead", "Analysts")
    user.user_permissions.add(Permission.objects.get(codename="override_gate"))
    return request_of(user)


def status(version: ModelVersion) -> str:
    return ModelVersion.objects.get(pk=version.pk).status


def history(version: ModelVersion) -> list[str]:
    entries = LogEntry.objects.filter(object_id=str(version.pk)).order_by("pk")
    return [entry.change_message for entry in entries]


def test_what_passed_the_gate_becomes_champion_and_replaces_the_one_before(analyst: Any) -> None:
    first, second = registered(), registered("m2")
    judged(first)
    champions.make_champion(analyst, first, reason="better")
    judged(second, first)
    champions.make_champion(analyst, second, reason="better still")
    assert (status(first), status(second)) == ("archived", "champion")
    assert registry.champion() == second
    assert history(first) == ["Made the champion. better", "Replaced as the champion by m2."]
    assert history(second) == ["Made the champion. better still"]


def test_gate_passed_against_another_champion_does_not_count(analyst: Any) -> None:
    first, second = registered(), registered("m2")
    judged(first)
    judged(second)
    champions.make_champion(analyst, first, reason="better")
    with pytest.raises(champions.ChampionError, match="has not passed the gate"):
        champions.make_champion(analyst, second, reason="please")
    assert registry.champion() == first


@pytest.mark.parametrize("override", [False, True])
def test_what_did_not_pass_needs_the_permission(analyst: Any, override: bool) -> None:
    version = registered()
    judged(version, ece=0.9)
    with pytest.raises(champions.ChampionError):
        champions.make_champion(analyst, version, reason="please", override=override)
    assert registry.champion() is None
    assert history(version) == []


def test_permission_needs_the_explicit_override_and_a_reason(overrider: Any) -> None:
    version = registered()
    for arguments in ({"reason": "r"}, {"reason": " ", "override": True}):
        with pytest.raises(champions.ChampionError):
            champions.make_champion(overrider, version, **arguments)
    champions.make_champion(overrider, version, reason="the test was odd", override=True)
    assert status(version) == "champion"
    assert history(version) == ["Made the champion past the gate. the test was odd"]


def test_former_champion_is_rolled_back_to_without_the_gate(analyst: Any) -> None:
    first, second = registered(), registered("m2")
    judged(first)
    champions.make_champion(analyst, first, reason="1")
    judged(second, first)
    champions.make_champion(analyst, second, reason="2")
    champions.make_champion(analyst, first, reason="players complained")
    assert (status(first), status(second)) == ("champion", "archived")
    assert history(first)[-1] == "Rolled back to it. players complained"


def test_games_own_baseline_can_be_rolled_back_to(analyst: Any) -> None:
    version = registered()
    judged(version)
    champions.make_champion(analyst, version, reason="1")
    baseline = ModelVersion.objects.get(name="baseline_v1")
    champions.make_champion(analyst, baseline, reason="2")
    assert registry.champion() == baseline
    assert registry.opponent() is None
    judged(version)
    champions.make_champion(analyst, version, reason="3")
    assert status(baseline) == "archived"


@pytest.mark.django_db
def test_versions_that_can_be_nobodys_champion(analyst: Any) -> None:
    seen = ModelVersion.objects.create(name="seen", status="unregistered")
    accepted = ModelVersion.objects.create(name="accepted", status="registered")
    for version in (seen, accepted):
        with pytest.raises(champions.ChampionError, match="nothing to play with"):
            champions.make_champion(analyst, version, reason="r")
    current = registered()
    judged(current)
    champions.make_champion(analyst, current, reason="r")
    with pytest.raises(champions.ChampionError, match="champion already"):
        champions.make_champion(analyst, current, reason="r")


@pytest.mark.django_db
def test_database_allows_one_champion() -> None:
    registered()
    registered("m2")
    ModelVersion.objects.filter(name="m1").update(status="champion")
    with pytest.raises(IntegrityError), transaction.atomic():
        ModelVersion.objects.filter(name="m2").update(status="champion")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("before", [False, True])
def test_two_at_once_leave_one_champion(request_of: Any, before: bool) -> None:
    """Whoever comes second is told, or replaces the first; never two, never none."""
    request = request_of(staff("root", is_superuser=True))
    if before:
        champions.make_champion(request, registered("old"), reason="r", override=True)
    versions = [registered(f"m{number}") for number in range(4)]
    barrier = threading.Barrier(len(versions))
    outcomes: list[str] = []

    def attempt(version: ModelVersion) -> None:
        barrier.wait()
        try:
            champions.make_champion(request, version, reason="r", override=True)
            outcomes.append("made")
        except champions.ChampionError as error:
            outcomes.append(str(error))
        finally:
            connection.close()

    threads = [threading.Thread(target=attempt, args=(version,)) for version in versions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 4
    assert set(outcomes) <= {"made", "Somebody else changed it meanwhile. Look again."}
    assert ModelVersion.objects.filter(status="champion").count() == 1
    made = outcomes.count("made")
    assert ModelVersion.objects.filter(status="archived").count() == made - 1 + before
