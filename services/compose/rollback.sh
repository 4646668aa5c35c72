#!/bin/sh
# Brings back the images from before the last upgrade, while the deployment runs: rollback.sh
# A second rollback upgrades again. First check out the older version's Compose file, if it differs.
set -eu

here=$(dirname "$0")
. "$here/images.sh"
workers="courier classifier trainer" # they are rolled back last: they must support every job that the newer API accepted
certificates=$(docker compose ps --services | grep -x certificates || true) # exists only with GLASSBOX_DOMAIN

found=
for image in gateway api worker $certificates; do
  id=$(running $image) || continue
  reference=$(reference $image)
  older=$(identifier "$(previous "$reference")") || continue
  [ "$older" != "$id" ] || continue
  docker tag "$older" "$reference"
  docker tag "$id" "$(previous "$reference")"
  found=yes
done
[ "$found" ] || {
  echo "glassbox: no older images to bring back: no upgrade has changed an image" >&2
  exit 1
}
replace_dependencies
exec "$here/roll.sh" gateway api "$workers" "prometheus grafana" "$certificates"
