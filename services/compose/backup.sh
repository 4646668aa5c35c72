#!/bin/sh
# Saves the deployment into one file, while it runs: backup.sh FILE
# `worker/backup/` describes its content. It has no secret: no passwords, no API keys, and not the webhooks' secrets.
set -eu

to=${1:?usage: backup.sh FILE}
if [ -e "$to" ]; then
  echo "glassbox: $to exists already; choose another name" >&2
  exit 1
fi
umask 077 # it holds the data of all users
trap 'rm -f "$to.part"' EXIT
docker compose run --rm --no-deps --no-TTY trainer python -m worker.backup save </dev/null >"$to.part"
sync "$to.part"
mv "$to.part" "$to" # a file of this name is complete
