"""What may be spent: budgets, and the ledgers that keep what was."""
