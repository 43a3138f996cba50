"""The demonstration: a replay server, two example programs and what streamspan saw of them."""
