"""Formats of packages other than the bank's own, and writing packages."""
