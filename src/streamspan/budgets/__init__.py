"""Budgets, and the ledgers that hold them over threads, processes and machines."""
