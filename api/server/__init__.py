"""Code inside gunicorn: connections and threads shared out fairly, and errors before a request reaches Flask."""
