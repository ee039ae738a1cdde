"""Model versions on the desk: how good they are, and who makes a champion of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import translation

from telemetry.models import ModelVersion
from telemetry.training import registry
from tests.desk import address, inline_scripts, page_of, root, signed_in, staff
from tests.telemetry.trained import trained, versions

__all__ = ["trained"]

pytestmark = pytest.mark.django_db

MODELS = "telemetry.ModelVersion"


@pytest.fixture
def analyst(db: Any) -> Client:
    return signed_in(staff("analyst", "Analysts"))


def text_of(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def test_list_shows_metrics_and_the_gate(analyst: Client, trained: dict[str, Any]) -> None:
    _mean, good = versions(trained)
    html = text_of(analyst, address(MODELS))
    value = good.metrics["models"]["logistic"]["auc"]["value"]
    assert f"{value:.4f}" in html
    assert 'ng-tag--bad">not passed</span>' in html
    assert 'ng-tag--good">passed</span>' in html


def test_list_asks_as_often_for_three_as_for_one(
    analyst: Client, trained: dict[str, Any], django_assert_max_num_queries: Any
) -> None:
    versions(trained)
    with django_assert_max_num_queries(30) as few:
        analyst.get(address(MODELS))
    for number in range(3):
        ModelVersion.objects.create(name=f"m{number}", status="unregistered")
    with django_assert_max_num_queries(len(few)):
        analyst.get(address(MODELS))


def test_page_shows_gate_plot_and_card(analyst: Client, trained: dict[str, Any]) -> None:
    _mean, good = versions(trained)
    html = text_of(analyst, page_of(good))
    assert "<svg" in html
    assert "<circle" in html
    assert "<h2>Intended use</h2>" in html
    assert good.snapshot_sha256 in html
    assert "passed</span>" in html
    assert inline_scripts(html) == []
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert" in html


def test_page_speaks_the_language_of_the_reader(analyst: Client, trained: dict[str, Any]) -> None:
    _mean, good = versions(trained)
    with translation.override("en"):
        assert good.card.startswith("# ")
    html = analyst.get(page_of(good), headers={"Accept-Language": "ru"}).content.decode()
    assert '<html lang="ru"' in html


def test_page_sets_a_version_beside_the_champion(analyst: Client, trained: dict[str, Any]) -> None:
    mean, good = versions(trained)
    ModelVersion.objects.filter(pk=mean.pk).update(status="champion")
    html = text_of(analyst, page_of(good))
    assert "Beside the champion" in html
    assert f"{mean.metrics['models']['item_mean']['log_loss']['value']:.4f}" in html
    assert "It was not judged against today's champion, item_mean-a." in html


@pytest.mark.parametrize(
    ("kind", "metrics"),
    [("elo", {"auc": 0.7}), ("elo", {"models": {"elo": {"auc": {"value": None}}}}), ("", {})],
)
def test_versions_of_another_shape_are_shown(
    analyst: Client, kind: str, metrics: dict[str, Any]
) -> None:
    """Rows of an earlier release, and those that were only seen in events."""
    row = ModelVersion.objects.create(name="old", kind=kind, metrics=metrics, params={"a": 1})
    assert "&quot;a&quot;: 1" in text_of(analyst, page_of(row))
    assert "old" in text_of(analyst, address(MODELS))


# Champions -------------------------------------------------------------------------------------------


def promote(client: Client, version: ModelVersion, **fields: str) -> str:
    answer = client.post(page_of(version, "make_champion"), fields, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def champion() -> str | None:
    found = registry.champion()
    return None if found is None else found.name


def test_analyst_makes_a_champion_of_what_passed(analyst: Client, trained: dict[str, Any]) -> None:
    _mean, good = versions(trained)
    html = text_of(analyst, page_of(good, "make_champion"))
    assert "It has passed the gate" in html
    assert 'name="override"' not in html
    assert "This field is required" in promote(analyst, good)
    assert champion() is None
    assert "is the champion: the game gets it" in promote(analyst, good, reason="better")
    assert champion() == good.name
    entry = LogEntry.objects.get(object_id=str(good.pk))
    assert (entry.user.nickname, entry.change_message) == (
        "analyst",
        "Made the champion. better",
    )
    assert "champion already" in promote(analyst, good, reason="again")


def test_analyst_may_not_pass_over_the_gate(analyst: Client, trained: dict[str, Any]) -> None:
    mean, _good = versions(trained)
    for html in (
        analyst.get(page_of(mean, "make_champion"), follow=True).content.decode(),
        promote(analyst, mean, reason="please", override="on"),
    ):
        assert "has not passed the gate" in html
        assert "the gain in log-loss is not surely above 0" in html
    assert champion() is None


def test_permission_to_override_asks_for_it_in_so_many_words(trained: dict[str, Any]) -> None:
    mean, _good = versions(trained)
    user = staff("lead", "Analysts")
    user.user_permissions.add(Permission.objects.get(codename="override_gate"))
    client = signed_in(user)
    assert 'name="override"' in text_of(client, page_of(mean, "make_champion"))
    assert "This field is required" in promote(client, mean, reason="because")
    assert champion() is None
    promote(client, mean, reason="because", override="on")
    assert champion() == mean.name
    messages = LogEntry.objects.values_list("change_message", flat=True)
    assert "Made the champion past the gate. because" in messages


def test_former_champion_is_rolled_back_to(analyst: Client, trained: dict[str, Any]) -> None:
    mean, good = versions(trained)
    promote(signed_in(root()), mean, reason="1", override="on")
    report = trained["logistic"][1]
    registry.record(good, mean, report)
    promote(analyst, good, reason="2")
    assert champion() == good.name
    html = text_of(analyst, page_of(mean, "make_champion"))
    assert "this is a rollback" in html
    promote(analyst, mean, reason="3")
    assert champion() == mean.name
    good.refresh_from_db()
    assert good.status == "archived"


@pytest.mark.parametrize("group", ["Recruiters", None])
def test_others_make_no_champion(group: str | None, trained: dict[str, Any]) -> None:
    _mean, good = versions(trained)
    user = staff("other", *([group] if group else []))
    user.user_permissions.add(Permission.objects.get(codename="view_modelversion"))
    client = signed_in(user)
    assert "Make it the champion" not in text_of(client, page_of(good))
    for answer in (
        client.get(page_of(good, "make_champion")),
        client.post(page_of(good, "make_champion"), {"reason": "r"}),
    ):
        assert answer.status_code == 403
    assert champion() is None


def test_version_that_is_not_there(analyst: Client) -> None:
    for number in ("999999", "x"):
        assert analyst.get(address(MODELS, "make_champion", number)).status_code == 404


def test_notes_of_a_registered_version_are_edited(analyst: Client, trained: dict[str, Any]) -> None:
    _mean, good = versions(trained)
    analyst.post(page_of(good), {"notes": "good", "kind": "elo", "params": "{}"})
    good.refresh_from_db()
    assert (good.notes, good.kind) == ("good", "logistic")
    assert json.dumps(good.params) == json.dumps(trained["logistic"][0]["params"])
