#!/bin/sh
# Saves the deployment into one file, while it runs: backup.sh FILE
# `worker/backup/` says what is in it. No secret is: neither passwords, nor API keys, nor what webhooks are signed with.
set -eu

to=${1:?usage: backup.sh FILE}
if [ -e "$to" ]; then
  echo "glassbox: $to is there already" >&2
  exit 1
fi
umask 077 # it holds everybody's data
trap 'rm -f "$to.part"' EXIT
docker compose run --rm --no-deps --no-TTY trainer python -m worker.backup save </dev/null >"$to.part"
sync "$to.part"
mv "$to.part" "$to" # so what has this name is whole
