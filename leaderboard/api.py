"""`GET /v1/leaderboard`: public, best first."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from leaderboard import standings


class FilterSerializer(serializers.Serializer[Any]):
    """What may be asked of the board; the page uses it too."""

    limit = serializers.IntegerField(min_value=1, max_value=1000, default=100)
    min_tasks = serializers.IntegerField(min_value=0, max_value=10**9, default=30)
    window = serializers.ChoiceField(choices=standings.WINDOWS, default="all")
    task_type = serializers.CharField(max_length=64, required=False)
    model_version = serializers.CharField(max_length=128, required=False)


class RowSerializer(serializers.Serializer[Any]):
    rank = serializers.IntegerField()
    user_id = serializers.CharField()
    tasks = serializers.IntegerField()
    correct = serializers.IntegerField()
    accuracy = serializers.FloatField()
    avg_rt_ms = serializers.FloatField(allow_null=True)
    score = serializers.FloatField()
    score_se = serializers.FloatField()
    provisional = serializers.BooleanField()


class LeaderboardView(APIView):
    authentication_classes: list[Any] = []
    permission_classes = [AllowAny]

    @extend_schema(parameters=[FilterSerializer], responses={200: RowSerializer(many=True)})
    def get(self, request: Request) -> Response:
        """The standings, best first."""
        given = {name: value for name, value in request.query_params.items() if value != ""}
        filters = FilterSerializer(data=given)
        filters.is_valid(raise_exception=True)
        response = Response(standings.board(**filters.validated_data))
        response["Cache-Control"] = "no-store"
        return response
