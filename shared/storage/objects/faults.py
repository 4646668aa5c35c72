"""Errors of an object store, by what a caller does about them. The messages name no endpoint and no credentials."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)

STATUS = re.compile(r"status code: (\d{3})")
CODE = re.compile(r"<Code>([A-Za-z0-9.]{1,64})</Code>")
CREDENTIALS = "GLASSBOX_S3_ACCESS_KEY_ID, GLASSBOX_S3_SECRET_ACCESS_KEY, or GLASSBOX_S3_CREDENTIALS_FILE"
TRANSIENT = frozenset({408, 425, 429})  # besides 5xx


class StoreError(Exception):
    """A request to a store failed. place: the object or prefix, `s3://bucket/key`. reason: the rest of a sentence."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place}: {reason}")
        self.place = place
        self.reason = reason


class ObjectMissing(StoreError):
    """The object, or the bucket, does not exist."""


class ObjectChanged(StoreError):
    """The object is not the one that was pinned."""


class ObjectExists(StoreError):
    """An object of this key exists already, and must not be replaced."""


class StoreRefused(StoreError):
    """The store refuses the request; the same request would be refused again."""


class RangesUnsupported(StoreRefused):
    """The store sends whole objects only."""


class StoreUnavailable(StoreError):
    """The store did not answer completely, after several tries; a later try may succeed."""


@contextmanager
def faults_of(place: str, seconds: float) -> Iterator[None]:
    """Translate the library's errors. seconds: the time limit of the store's answers, for the message."""
    from obstore import exceptions  # noqa: PLC0415 - an optional extra

    try:
        yield
    except FileNotFoundError as error:
        raise ObjectMissing(place, "does not exist") from error
    except exceptions.PreconditionError as error:
        raise ObjectChanged(place, "has changed") from error
    except exceptions.AlreadyExistsError as error:
        raise ObjectExists(place, "exists already") from error
    except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
        detail = f"the store denies access{_code(error)}; give the service's credentials ({CREDENTIALS}) the permission"
        raise StoreRefused(place, detail) from error
    except ValueError as error:  # a key, or a list that contains one, that the library does not address
        raise StoreRefused(place, "it has a key with an empty part, . or .., or a control character") from error
    except (exceptions.BaseError, OSError) as error:
        raise _of_other(place, error, seconds) from error


def _of_other(place: str, error: Exception, seconds: float) -> StoreError:
    text = str(error)
    status = int(match[1]) if (match := STATUS.search(text)) else None
    log.info("the request to the store failed: %s: %s", place, text.partition("\n")[0])
    if "/latest/api/token" in text or "/latest/meta-data" in text:  # of the machine's role, which is the last choice
        return StoreRefused(place, f"the server has no credentials for the store: set {CREDENTIALS}")
    if status == 416:
        return ObjectChanged(place, "is shorter than it was")
    if "NoSuchBucket" in text:
        return ObjectMissing(place, "its bucket does not exist")
    if "NotPartial" in text:
        return RangesUnsupported(place, "the store does not serve ranges of bytes")
    if "Error parsing Path" in text or "InvalidPath" in text:
        return StoreRefused(place, "it has a key with an empty part, . or .., or a control character")
    if status is not None and status < 500 and status not in TRANSIENT:
        hint = "; check GLASSBOX_S3_ENDPOINT and GLASSBOX_S3_REGION" if status < 404 else ""
        return StoreRefused(place, f"the store answers {status}{_code(error)}{hint}")
    if status is not None:
        return StoreUnavailable(place, f"the store answers {status}{_code(error)}")
    if "TimedOut" in text or "timed out" in text or "Timeout" in text:
        return StoreUnavailable(place, f"the store sends nothing for {seconds:g} s (GLASSBOX_S3_TIMEOUT)")
    return StoreUnavailable(place, "the connection to the store failed or broke")


def _code(error: Exception) -> str:
    """Return the store's own code of an error, such as SlowDown, in brackets."""
    return f" ({match[1]})" if (match := CODE.search(str(error))) else ""
