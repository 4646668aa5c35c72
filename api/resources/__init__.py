"""The API's resources: one module of routes for each."""
