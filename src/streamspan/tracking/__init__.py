"""`track_costs`: what the model calls of a function cost, and what they may."""
