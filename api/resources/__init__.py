"""The resources: one module of routes each."""
