"""Requests for predictions: numbers and images, the limits of their memory and of their responses."""
