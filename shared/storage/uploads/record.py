"""The description of an upload, as its JSON file on the volume holds it."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict


class UploadRecord(BaseModel):
    """What does not follow from an upload's other files.

    length: its total bytes; None until the client has announced them. metadata: the client's `Upload-Metadata`.
    partial: whether it was created as a part of a concatenation. parts: the ids of its parts, if it is a
    concatenation. target: the id of the concatenation that has its bytes now, if it was a part. start: the place of its
    first byte in the whole, if it is a part that is written there. first: the id of the part at place 0, whose file it
    shares; None of that part itself.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    created_at: str = ""
    length: int | None = None
    metadata: str = ""
    partial: bool = False
    parts: tuple[str, ...] = ()
    target: str | None = None
    start: int | None = None
    first: str | None = None


@dataclass(frozen=True)
class Upload:
    """An upload at one moment. offset: its bytes on the disk. expires_at: seconds since 1970, by the volume's clock."""

    owner: str
    record: UploadRecord
    offset: int
    expires_at: float

    @property
    def expected(self) -> str:
        """The total number of bytes, in words."""
        return "an unknown number of" if self.record.length is None else f"{self.record.length:,}"

    @property
    def is_complete(self) -> bool:
        """Whether all bytes have been received."""
        return self.offset == self.record.length
