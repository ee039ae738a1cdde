"""`GET /v1/models/current`: what the game plays with, cheaply asked again and again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext

from telemetry import keys, models_api
from telemetry.models import ModelVersion
from telemetry.training import champions, models
from tests.desk import staff

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/v1/models/current"
KEY = "dev-key-change-me"
PARAMS = {
    "kind": "elo",
    "user_gain": [1.0, 0.05],
    "item_gain": [1.0, 0.05],
    "items": {"stroop/кот": {"difficulty": -0.123456, "trials": 9}},
}


@pytest.fixture(autouse=True)
def _forget() -> None:
    models_api.forget()
    keys.forget()


@pytest.fixture
def champion() -> ModelVersion:
    version = ModelVersion.objects.create(name="elo-1", kind="elo", params=PARAMS)
    promote(version)
    version.refresh_from_db()
    return version


def promote(version: ModelVersion) -> None:
    from django.test import RequestFactory

    request = RequestFactory().post("/")
    request.user = staff(f"root-{version.name}-{ModelVersion.objects.count()}", is_superuser=True)
    champions.make_champion(request, version, reason="r", override=True)


def get(key: str = KEY, **headers: str) -> Any:
    return Client().get(URL, headers={"X-API-Key": key, **headers})


def test_champion_is_answered_whole_and_its_parameters_predict(champion: ModelVersion) -> None:
    answer = get()
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"
    assert answer["Cache-Control"] == "private, no-cache"
    assert answer["Vary"].startswith("Authorization, X-API-Key")
    body = json.loads(answer.content)
    assert champion.promoted_at is not None
    assert body == {
        "ok": True,
        "name": "elo-1",
        "kind": "elo",
        "params": PARAMS,
        "champion": True,
        "champion_since": champion.promoted_at.isoformat().replace("+00:00", "Z"),
        "created_at": champion.created_at.isoformat().replace("+00:00", "Z"),
    }
    assert models.from_params(body["params"]).params() == PARAMS


def test_baseline_is_answered_before_there_is_a_champion() -> None:
    body = get().json()
    assert (body["name"], body["kind"], body["params"]) == ("baseline_v1", "baseline", {})
    assert (body["champion"], body["champion_since"]) == (False, None)


def test_nothing_registered_is_not_found() -> None:
    baseline = ModelVersion.objects.filter(name="baseline_v1")
    (values,) = baseline.values("name", "kind", "status", "notes")
    baseline.delete()
    try:
        answer = get()
        assert answer.status_code == 404
        assert answer["Content-Type"] == "application/problem+json"
        assert answer.json()["code"] == "not_found"
    finally:
        ModelVersion.objects.create(**values)


@pytest.mark.parametrize("scope", ["can_ingest", "can_export"])
def test_key_of_any_scope_may_ask(scope: str) -> None:
    scopes = {"can_ingest": False, "can_export": False, scope: True}
    _key, text = keys.make(name="game", **scopes)
    assert get(text).status_code == 200
    bearer = Client().get(URL, headers={"Authorization": f"Bearer {text}"})
    assert bearer.status_code == 200


def test_other_keys_may_not() -> None:
    key, text = keys.make(name="game")
    keys.revoke(key)
    for wrong in ("", "wrong", text, "ngk_" + "x" * 40):
        answer = get(wrong)
        assert answer.status_code == 401
        assert answer.json()["code"] == "invalid_api_key"
    _key, none = keys.make(name="none", can_ingest=False)
    assert get(none).status_code == 403


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_other_methods_are_refused(method: str) -> None:
    answer = getattr(Client(), method)(URL, headers={"X-API-Key": KEY})
    assert answer.status_code == 405
    assert answer.json()["code"] == "method_not_allowed"


def test_head_has_the_headers_and_no_body(champion: ModelVersion) -> None:
    answer = Client().head(URL, headers={"X-API-Key": KEY})
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer["ETag"] == get()["ETag"]


@pytest.mark.parametrize("form", ["{}", "W/{}", '"a", {}', '{} , "b"', "*"])
def test_what_the_game_has_is_not_sent_again(champion: ModelVersion, form: str) -> None:
    etag = get()["ETag"]
    assert etag.startswith('"')
    answer = get(**{"If-None-Match": form.format(etag)})
    assert (answer.status_code, answer.content, answer["ETag"]) == (304, b"", etag)
    assert answer["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize("sent", ["", '"other"', "garbage", '"', ",,,", "W/", "x" * 9000])
def test_what_the_game_does_not_have_is_sent(champion: ModelVersion, sent: str) -> None:
    assert get(**{"If-None-Match": sent}).status_code == 200


def test_asking_again_within_a_second_asks_no_database(
    champion: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(models_api.time, "monotonic", lambda: now[0])
    etag = get()["ETag"]
    with CaptureQueriesContext(connection) as seen:
        assert get(**{"If-None-Match": etag}).status_code == 304
        assert get().status_code == 200
    assert len(seen) == 0
    now[0] += 1.01
    with CaptureQueriesContext(connection) as seen:
        assert get(**{"If-None-Match": etag}).status_code == 304
    assert [query["sql"].count("params") for query in seen] == [0]  # who, not what


def test_change_of_the_champion_shows_at_once(champion: ModelVersion) -> None:
    etag = get()["ETag"]
    other = ModelVersion.objects.create(name="elo-2", kind="elo", params=PARAMS)
    promote(other)
    answer = get(**{"If-None-Match": etag})
    assert (answer.status_code, answer.json()["name"]) == (200, "elo-2")
    promote(champion)
    again = get()
    assert again.json()["name"] == "elo-1"
    assert again["ETag"] != etag  # it is champion since another moment


def test_change_by_another_process_shows_after_a_second(
    champion: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(models_api.time, "monotonic", lambda: now[0])
    assert get().json()["name"] == "elo-1"
    ModelVersion.objects.filter(name="elo-1").update(status="archived")
    ModelVersion.objects.filter(name="baseline_v1").update(status="champion")
    try:
        assert get().json()["name"] == "elo-1"
        now[0] += 1.01
        assert get().json()["name"] == "baseline_v1"
    finally:
        ModelVersion.objects.filter(name="baseline_v1").update(status="registered")


async def test_the_asynchronous_server_answers_the_same(champion: ModelVersion) -> None:
    answer = await AsyncClient().get(URL, headers={"X-API-Key": KEY})
    assert answer.json()["name"] == "elo-1"


def test_names_never_make_it_fail() -> None:
    """Whatever JSON a version holds is answered as it is."""
    odd = {"": [None, True, 1e-7, 2**53], "\u2028": {"a": "\t"}}
    version = ModelVersion.objects.create(name="кот <b>", kind="x", params=odd)
    promote(version)
    body = json.loads(get().content)
    assert (body["name"], body["params"]) == ("кот <b>", odd)
