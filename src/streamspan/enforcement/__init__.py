"""Budgets at work: what a call may cost is held before it is sent, and what it did cost is recorded after it."""
