"""`/tasks/…`: the next task, drafts, runs and checks."""

from __future__ import annotations

import time
import uuid
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers as drf
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from neurogame import throttling
from neurogame.problems import Problem
from tasks import evaluation, flow
from tasks.access import assignment_for, session_for
from tasks.models import Attempt, CodeRun
from tasks.serializers import (
    CheckSerializer,
    DraftSavedSerializer,
    DraftSerializer,
    NextSerializer,
    QueuedSerializer,
    ResultSerializer,
    RunSerializer,
    TaskRefSerializer,
    queued_answer,
    require_language,
    result_answer,
    task_answer,
)


class TaskView(APIView):
    permission_classes = [IsAuthenticated]
    arrived: float

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self.arrived = time.monotonic()
        super().initial(request, *args, **kwargs)

    def parsed(self, serializer_class: type[drf.Serializer[Any]]) -> dict[str, Any]:
        serializer = serializer_class(data=self.request.data)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)

    def answer(self, started: Attempt | CodeRun) -> Response:
        """The result, or 202 once the request is `JUDGE_WAIT_S` old."""
        left = settings.JUDGE_WAIT_S - (time.monotonic() - self.arrived)
        if evaluation.wait(started, left):
            return Response(result_answer(started))
        return Response(queued_answer(started), status=202)


class NextView(TaskView):
    @extend_schema(
        parameters=[OpenApiParameter("session_id", str, required=True)],
        responses={200: NextSerializer},
    )
    def get(self, request: Request) -> Response:
        """The open task, or a newly chosen one, or why there is no more."""
        session_id = request.query_params.get("session_id", "")
        if not session_id:
            raise drf.ValidationError({"session_id": [_("This field is required.")]})
        session = session_for(request.user, session_id)
        found = flow.next_task(session)
        if found.assignment is None:
            return Response({"state": "finished", "task": None, "reason": found.reason})
        task = task_answer(found.assignment, session.locale)
        return Response({"state": found.assignment.state, "task": task})


class SkipView(TaskView):
    @extend_schema(request=TaskRefSerializer, responses={200: None})
    def post(self, request: Request) -> Response:
        """Give the open task up."""
        data = self.parsed(TaskRefSerializer)
        flow.skip(assignment_for(request.user, data["session_id"], data["task_id"]))
        return Response({"ok": True})


class DraftView(TaskView):
    @extend_schema(request=DraftSerializer, responses={200: DraftSavedSerializer})
    def put(self, request: Request) -> Response:
        """Store the code as it stands."""
        data = self.parsed(DraftSerializer)
        assignment = assignment_for(request.user, data["session_id"], data["task_id"])
        require_language(assignment, data["language"])
        draft = flow.save_draft(
            assignment, language=data["language"], code=data["code"], version=data["version"]
        )
        return Response({"ok": True, "version": draft.version, "saved_at": draft.saved_at})


class RunView(TaskView):
    @extend_schema(request=RunSerializer, responses={200: ResultSerializer, 202: QueuedSerializer})
    def post(self, request: Request) -> Response:
        """Run the visible tests, or the program on an input of its own. Costs no attempt."""
        data = self.parsed(RunSerializer)
        assignment = assignment_for(request.user, data["session_id"], data["task_id"])
        require_language(assignment, data["language"])
        throttling.hit("judge", str(request.user.pk))
        function = assignment.task.kind == "function"
        return self.answer(
            evaluation.start_run(
                assignment,
                language=data["language"],
                code=data["code"],
                stdin=None if function else data.get("stdin"),
                args=data.get("args") if function else None,
            )
        )


class CheckView(TaskView):
    @extend_schema(
        request=CheckSerializer, responses={200: ResultSerializer, 202: QueuedSerializer}
    )
    def post(self, request: Request) -> Response:
        """Judge the program against all tests; an attempt is recorded."""
        data = self.parsed(CheckSerializer)
        assignment = assignment_for(request.user, data["session_id"], data["task_id"])
        require_language(assignment, data["language"])
        throttling.hit("judge", str(request.user.pk))
        return self.answer(
            evaluation.start_check(
                assignment,
                language=data["language"],
                code=data["code"],
                submission_id=data.get("submission_id") or uuid.uuid4().hex,
            )
        )


class RunResultView(TaskView):
    @extend_schema(responses={200: ResultSerializer, 202: QueuedSerializer})
    def get(self, request: Request, run_id: str) -> Response:
        """The result of a run or check that was answered 202."""
        found = self.find(run_id)
        if isinstance(found, Attempt):
            evaluation.recover_attempt(found)
        else:
            evaluation.recover_run(found)
        if found.progress == "done":
            return Response(result_answer(found))
        return Response(queued_answer(found), status=202)

    def find(self, run_id: str) -> Attempt | CodeRun:
        try:
            key = uuid.UUID(run_id)
        except ValueError:
            raise Problem("not_found") from None
        mine = {"pk": key, "assignment__session__candidate": self.request.user}
        attempt = Attempt.objects.filter(**mine).select_related("assignment").first()
        run = attempt or CodeRun.objects.filter(**mine).first()
        if run is None:
            raise Problem("not_found")
        return run
