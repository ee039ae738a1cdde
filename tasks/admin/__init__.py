"""The desk of the task room: the bank, the records of judging, proofs, and judging again."""

from tasks.admin import bank, overview, proofs, records, rejudging  # noqa: F401
