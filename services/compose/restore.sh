#!/bin/sh
# Restores a backup into this deployment, which must be empty: restore.sh FILE. With --force it need not be empty, and
# what it has is removed.
# What is refused has changed nothing; not even a service was stopped.
set -eu

from=${1:?usage: restore.sh FILE [--force]}
[ -r "$from" ] || {
  echo "glassbox: $from cannot be read" >&2
  exit 1
}
backup() { # ARGUMENT… <FILE
  docker compose run --rm --no-deps --no-TTY trainer python -m worker.backup "$@"
}

docker compose up --detach --wait redis # and before it, in a new deployment, its passwords
if [ "${2:-}" ]; then backup verify <"$from"; else backup verify --empty <"$from"; fi
docker compose stop gateway api trainer classifier courier
status=0
backup restore ${2:+"$2"} <"$from" || status=$?
docker compose up --detach --wait # in either case
exit $status
