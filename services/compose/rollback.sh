#!/bin/sh
# Brings the images from before the last upgrade back, while the deployment runs: rollback.sh
# Once more, and it is upgraded again. Check out that version's Compose file first, if it was another.
set -eu

here=$(dirname "$0")
workers="courier classifier trainer" # they go last: they must know every job that the newer API took

found=
for service in gateway api $workers; do
  for container in $(docker compose ps --quiet "$service" | head -n 1); do
    name=$(docker inspect --format '{{.Config.Image}}' "$container")
    previous=$(docker image inspect --format '{{.Id}}' "$name:previous" 2>/dev/null) || continue
    docker tag "$name" "$name:leaving"
    docker tag "$previous" "$name"
    docker tag "$name:leaving" "$name:previous"
    docker rmi "$name:leaving" >/dev/null
    found=yes
  done
done
[ "$found" ] || {
  echo "glassbox: nothing to go back to: no upgrade has changed an image" >&2
  exit 1
}
exec "$here/roll.sh" gateway api "$workers" "prometheus grafana"
