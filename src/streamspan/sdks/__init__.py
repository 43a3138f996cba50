"""Where each SDK is patched, and how its streams are tapped."""
