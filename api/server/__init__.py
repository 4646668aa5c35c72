"""Extensions of gunicorn: connection balancing, fair thread scheduling, and errors before Flask gets a request."""
