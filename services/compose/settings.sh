# The check of the settings, for up.sh and upgrade.sh.
# shellcheck shell=sh

checked_by() { # SERVICE COMMAND…: run the check in a container, as the services' user; print the problems that it finds
  output=$(docker compose run --rm --no-deps --no-TTY --env EXPORTED "$@" 2>&1) && return
  echo "$output" | grep '^glassbox: ' >&2 || { # the check did not run
    echo "$output" >&2
    echo "glassbox: the check could not run, as printed above. After a change of the sources: make upgrade" >&2
  }
  return 1
}

check_settings() { # print a line for each problem with .env, exported variables and what they name; fail if there is one
  EXPORTED=$(env | grep '^GLASSBOX_' | grep -v '^GLASSBOX_API_KEY=') || true # only the client reads the key
  export EXPORTED
  checked_by preflight python services/preflight/env_file.py - <<END || return 1
$(if [ -r .env ]; then cat .env; fi)
END
  checked_by check python services/preflight/check.py </dev/null
}
