"""The OpenAPI 3.1 document, made from what the routes declare and from the types that validate and are shown."""

from api.openapi.document import document

__all__ = ["document"]
