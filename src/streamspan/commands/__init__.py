"""What the ``streamspan`` command can do, a file for each group; each is imported with little, and the rest when it runs."""
