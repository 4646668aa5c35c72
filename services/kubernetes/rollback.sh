#!/bin/sh
# Brings an older version back into the cluster: rollback.sh [KUSTOMIZATION], whose images are the older ones.
# The API is rolled back first: the newer API may accept jobs that older workers do not support (docs/adr/0017).
set -eu

here=$(dirname "$0")
exec "$here/roll.sh" "${1:-$here}" api "courier classifier trainer"
