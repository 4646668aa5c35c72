"""Reading a request, its body, uploads, pages and options, and submitting the job that it asks for."""
