#!/bin/sh
# Brings the version that is checked out into the deployment, while it runs: upgrade.sh
# The images of before stay, as `:previous`, for rollback.sh.
set -eu

here=$(dirname "$0")
workers="courier classifier trainer" # they go first: they must know every job that the new API takes

images() { # each service's image by name, and the id of what runs now
  for service in $workers api gateway; do
    for container in $(docker compose ps --quiet "$service" | head -n 1); do
      docker inspect --format '{{.Config.Image}} {{.Image}}' "$container"
    done
  done
}

before=$(images)
docker compose build
echo "$before" | while read -r name id; do
  [ "$(docker image inspect --format '{{.Id}}' "$name")" = "$id" ] || docker tag "$id" "$name:previous"
done
docker compose up --detach --wait redis # with new passwords, should the version have new ones; else it just goes on
exec "$here/roll.sh" "$workers" api gateway "prometheus grafana"
