"""The checks of the service `preflight`, before `docker compose up` starts anything: `.env` and the mounted files."""

from __future__ import annotations

import sys

from services.preflight import env_file, mounted_files

if __name__ == "__main__":
    status = env_file.main("/srv/project/.env")
    for problem in mounted_files.problems():
        print(f"glassbox: {problem}", file=sys.stderr)
        status = 1
    sys.exit(status)
