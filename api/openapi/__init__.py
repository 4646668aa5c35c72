"""The OpenAPI 3.1 document, generated from the routes' declarations and from the types of requests and responses."""

from api.openapi.document import document

__all__ = ["document"]
