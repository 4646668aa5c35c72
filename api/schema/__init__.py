"""Declarations of the routes: operations, JSON types of responses, and examples."""
