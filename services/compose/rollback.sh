#!/bin/sh
# Brings the images from before the last upgrade back, while the deployment runs: rollback.sh
# Once more, and it is upgraded again. Check out that version's Compose file first, if it was another.
set -eu

here=$(dirname "$0")
. "$here/images.sh"
workers="courier classifier trainer" # they go last: they must know every job that the newer API took
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
  echo "glassbox: nothing to go back to: no upgrade has changed an image" >&2
  exit 1
}
replace_dependencies
exec "$here/roll.sh" gateway api "$workers" "prometheus grafana" "$certificates"
