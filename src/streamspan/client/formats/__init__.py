"""How each provider's SDK wants a question put: pure functions from a `Question` to the arguments of the SDK's method."""
