from __future__ import annotations

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command

from interviews.roles import PERMISSIONS
from telemetry.models import ModelVersion


@pytest.mark.django_db
def test_models_have_their_migrations():
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


@pytest.mark.django_db
@pytest.mark.parametrize("name", PERMISSIONS)
def test_group_has_exactly_its_permissions(name):
    granted = {
        (permission.content_type.app_label, permission.codename)
        for permission in Group.objects.get(name=name).permissions.select_related("content_type")
    }
    assert granted == {
        (app, f"{action}_{model}")
        for (app, model), actions in PERMISSIONS[name].items()
        for action in actions
    }


@pytest.mark.django_db
def test_baseline_model_is_registered():
    assert ModelVersion.objects.get(name="baseline_v1").status == "registered"
