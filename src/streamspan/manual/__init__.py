"""Spans that a program makes by itself, for model calls that no instrumentor sees."""
