"""`python -m worker.backup save|verify|restore`: reads or writes a backup by the standard streams."""

from __future__ import annotations

import sys

from redis import RedisError

from shared.errors import GlassboxError
from shared.jobs.task_queue import TaskQueue, celery_app, connect
from shared.runtime import logs
from shared.runtime.redis_faults import explained
from shared.runtime.settings import SecretError, Settings
from shared.storage.volume import Volume
from worker.backup.archive import BackupReader
from worker.backup.restoring import Restoration
from worker.backup.saving import save

USAGE = "usage: python -m worker.backup save > FILE | verify [--empty] < FILE | restore [--force] < FILE"


def main(arguments: list[str]) -> str:
    """Run the command in the arguments; return a message that says what was done."""
    settings = Settings()
    match arguments:
        case ["save"] if not sys.stdout.isatty():
            return f"saved {save(connect(settings), Volume(settings.volume), sys.stdout.buffer) / 1e6:.1f} MB"
        case ["verify", *options] if not sys.stdin.isatty() and options in ([], ["--empty"]):
            if options:
                _restoration(settings).refuse_if_not_empty()
            backup = BackupReader(sys.stdin.buffer)
            count = sum(1 for _ in backup)
            return f"the backup of {backup.title['created_at']} is whole: {count} files"
        case ["restore", *options] if not sys.stdin.isatty() and options in ([], ["--force"]):
            restored = _restoration(settings).restore(sys.stdin.buffer, force=bool(options))
            jobs = f"{restored.jobs} jobs; {restored.waiting} of them resume when the workers start"
            return f"restored what Glassbox {restored.version} saved at {restored.created_at}: {jobs}"
    sys.exit(USAGE)


def _restoration(settings: Settings) -> Restoration:
    redis = connect(settings)
    return Restoration(redis, TaskQueue(celery_app(settings), redis), Volume(settings.volume))


if __name__ == "__main__":
    logs.configure(Settings())
    try:
        print(f"glassbox: {main(sys.argv[1:])}", file=sys.stderr)
    except RedisError as error:
        sys.exit(f"glassbox: {explained(error)}")
    except (GlassboxError, SecretError, OSError) as error:
        sys.exit(f"glassbox: {error}")
