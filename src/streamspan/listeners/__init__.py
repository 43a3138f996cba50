"""What may be written of a stream besides its answer; each is asked for by a setting or costs the stream nothing."""
