"""The desk of recruiters, by meaning: sessions, invites, people, records."""

from interviews.admin import cards, invites, people, records, sessions

__all__ = ["cards", "invites", "people", "records", "sessions"]
