#!/bin/sh
# Replaces the containers of some services by those that the images and the Compose file now say, one group of services
# after the other: roll.sh "SERVICE…"…
# A group must be healthy before the next one's turn comes; one that is not ends the roll, and the later ones run as before.
set -eu

up() { # OPTION… SERVICE…
  docker compose up --detach --no-deps --no-build --wait "$@"
}

for group in "$@"; do
  running=
  scales=
  for service in $group; do
    count=$(docker compose ps --quiet "$service" | grep -c .) || continue # it does not run here
    running="$running $service"
    scales="$scales --scale $service=$count"
  done
  [ "$running" ] || continue
  echo "glassbox: rolling$running" >&2
  if [ "$group" = api ]; then
    # The new ones first, beside the old ones: somebody answers at any time. An old one ends the requests that it has.
    before=$(docker compose ps --quiet api)
    up --no-recreate --scale "api=$((2 * count))" api
    # shellcheck disable=SC2086 # a word for each container
    docker stop $before >/dev/null
    # shellcheck disable=SC2086
    docker rm $before >/dev/null
  fi
  # shellcheck disable=SC2086 # words, as above
  up $scales $running # a worker gives its job back before it ends
done
