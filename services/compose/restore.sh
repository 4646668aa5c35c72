#!/bin/sh
# Restores a backup into this deployment: restore.sh FILE. The deployment must be empty; with --force its content is
# replaced. If the restore is refused, nothing has changed and no service was stopped.
set -eu

from=${1:?usage: restore.sh FILE [--force]}
[ -r "$from" ] || {
  echo "glassbox: $from cannot be read" >&2
  exit 1
}
backup() { # ARGUMENT… <FILE
  docker compose run --rm --no-deps --no-TTY trainer python -m worker.backup "$@"
}

docker compose up --detach --wait redis # in a new deployment this first creates its passwords
if [ "${2:-}" ]; then backup verify <"$from"; else backup verify --empty <"$from"; fi
docker compose stop gateway api trainer classifier courier
status=0
backup restore ${2:+"$2"} <"$from" || status=$?
docker compose up --detach --wait # also after a failure
exit $status
