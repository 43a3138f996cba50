"""The local viewer: an OTLP/HTTP receiver on loopback and what it shows of the model calls that arrive."""
