"""Records of the interview room, by meaning: people, sessions, conversation."""

from interviews.models.conversation import LLMCall, Message
from interviews.models.people import Team, User, identity_key
from interviews.models.sessions import Consent, InterviewSession, Invite, Level, Track

__all__ = [
    "Consent",
    "InterviewSession",
    "Invite",
    "LLMCall",
    "Level",
    "Message",
    "Team",
    "Track",
    "User",
    "identity_key",
]
