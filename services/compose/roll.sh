#!/bin/sh
# Replaces the containers of some services by those that the images and the Compose file now say, one service after the
# other: roll.sh SERVICE…
# Each must be healthy before the next one's turn comes; one that is not ends the roll, and what ran before it still runs.
set -eu

up() { # OPTION… SERVICE
  docker compose up --detach --no-deps --no-build --wait "$@"
}

for service in "$@"; do
  before=$(docker compose ps --quiet "$service")
  count=$(echo "$before" | grep -c . || true)
  [ "$count" -gt 0 ] || continue # it does not run here
  echo "glassbox: rolling $service" >&2
  if [ "$service" = api ]; then
    # The new ones first, beside the old ones: somebody answers at any time. An old one ends the requests that it has.
    up --no-recreate --scale "api=$((2 * count))" api
    # shellcheck disable=SC2086 # a word for each container
    docker stop $before >/dev/null
    # shellcheck disable=SC2086
    docker rm $before >/dev/null
  fi
  up --scale "$service=$count" "$service" # a worker gives its job back before it ends
done
