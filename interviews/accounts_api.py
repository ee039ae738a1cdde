"""`/auth/…`: accounts for API clients."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError as DjangoValidationError
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from interviews import accounts
from interviews.models import User
from interviews.models.people import validate_email_key, validate_nickname
from neurogame import throttling
from neurogame.net import client_address


class UserSerializer(serializers.ModelSerializer[User]):
    class Meta:
        model = User
        fields = ["id", "email", "nickname"]


class RegisterSerializer(serializers.Serializer[Any]):
    email = serializers.EmailField(
        required=False,
        allow_null=True,
        allow_blank=True,
        max_length=254,
        validators=[validate_email_key],
    )
    nickname = serializers.CharField(required=False, allow_null=True, allow_blank=True)
    password = serializers.CharField(trim_whitespace=False, max_length=256)

    def validate_nickname(self, value: str | None) -> str | None:
        if value:
            validate_nickname(value)
        return value


class LoginSerializer(serializers.Serializer[Any]):
    login = serializers.CharField(max_length=254)
    password = serializers.CharField(trim_whitespace=False, max_length=256)


class RefreshSerializer(serializers.Serializer[Any]):
    refresh = serializers.CharField(max_length=4096)


class TokensSerializer(serializers.Serializer[Any]):
    access = serializers.CharField()
    refresh = serializers.CharField()


class AccountSerializer(TokensSerializer):
    user = UserSerializer()


class OkSerializer(serializers.Serializer[Any]):
    ok = serializers.BooleanField()


class MeSerializer(serializers.Serializer[Any]):
    user = UserSerializer()
    groups = serializers.ListField(child=serializers.CharField())


def parsed(serializer_class: Any, request: Request) -> dict[str, Any]:
    """The validated body; raises ValidationError (400) with the fields at fault."""
    serializer = serializer_class(data=request.data)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def account_answer(user: User, status: int) -> Response:
    body = {"user": UserSerializer(user).data, **accounts.tokens_for(user)}
    return Response(body, status=status)


class PublicView(APIView):
    authentication_classes: list[Any] = []
    permission_classes = [AllowAny]


class RegisterView(PublicView):
    @extend_schema(request=RegisterSerializer, responses={201: AccountSerializer})
    def post(self, request: Request) -> Response:
        """Make a candidate's account: an e-mail, a nickname or both, and a password."""
        data = parsed(RegisterSerializer, request)
        throttling.hit("register", client_address(request))
        try:
            user = accounts.register(
                nickname=data.get("nickname") or "",
                email=data.get("email") or "",
                password=data["password"],
            )
        except DjangoValidationError as error:
            raise serializers.ValidationError(error.message_dict) from None
        return account_answer(user, 201)


class LoginView(PublicView):
    @extend_schema(request=LoginSerializer, responses={200: AccountSerializer})
    def post(self, request: Request) -> Response:
        """Sign in with an e-mail or nickname."""
        data = parsed(LoginSerializer, request)
        user = accounts.sign_in(request._request, **data)
        return account_answer(user, 200)


class RefreshView(PublicView):
    @extend_schema(request=RefreshSerializer, responses={200: TokensSerializer})
    def post(self, request: Request) -> Response:
        """A new pair of tokens; the old refresh token is blacklisted."""
        return Response(accounts.rotate(parsed(RefreshSerializer, request)["refresh"]))


class LogoutView(PublicView):
    @extend_schema(request=RefreshSerializer, responses={200: OkSerializer})
    def post(self, request: Request) -> Response:
        """Blacklist a refresh token."""
        accounts.sign_out(parsed(RefreshSerializer, request)["refresh"])
        return Response({"ok": True})


class MeView(APIView):
    permission_classes = [IsAuthenticated]

    @extend_schema(responses={200: MeSerializer})
    def get(self, request: Request) -> Response:
        """Who is signed in."""
        groups = list(request.user.groups.order_by("name").values_list("name", flat=True))
        return Response({"user": UserSerializer(request.user).data, "groups": groups})
