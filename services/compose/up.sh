#!/bin/sh
# Checks what the deployment needs, then starts or updates it: up.sh [OPTION…] passes the options to `docker compose up --wait`.
# It prints a line for each problem, with the remedy. If there is one, nothing has been started, stopped or replaced.
set -eu

cd "$(dirname "$0")/../.."
. services/compose/images.sh
. services/compose/settings.sh
newest_engine_that_leaks=27 # up to this version, hosts of the same network can reach a port published on 127.0.0.1
failed=

problem() {
  echo "glassbox: $*" >&2
  failed=yes
}

end_if_failed() {
  [ -z "$failed" ] || {
    echo "glassbox: nothing was started or changed" >&2
    exit 1
  }
}

value_of() { # NAME: as Compose sees it, from the shell or .env
  printf 'services: {x: {image: x, environment: {%s: "${%s:-}"}}}\n' "$1" "$1" |
    docker compose --project-directory . --file - config --format json 2>/dev/null |
    sed -n "s/.*\"$1\": \"\(.*\)\".*/\1/p"
}

check_engine() {
  command -v docker >/dev/null || {
    problem "there is no docker command. Install Docker Engine 28 or newer: https://docs.docker.com/engine/install"
    end_if_failed
  }
  compose=$(docker compose version --short 2>/dev/null) || {
    problem "there is no docker compose command. Install the Compose plugin, 2.24 or newer"
    end_if_failed
  }
  compose=${compose#v}
  minor=${compose#*.}
  minor=${minor%%.*}
  if [ "${compose%%.*}" -lt 2 ] || { [ "${compose%%.*}" -eq 2 ] && [ "$minor" -lt 24 ]; }; then
    problem "Docker Compose $compose is too old; 2.24 is needed. Upgrade the Compose plugin"
  fi
  engine=$(docker version --format '{{.Server.Version}}' 2>&1) || {
    problem "no Docker Engine answers: $engine. Start it: sudo systemctl start docker; or add yourself to the group docker"
    end_if_failed
  }
  case $engine in
  [0-9]*) [ "${engine%%.*}" -gt $newest_engine_that_leaks ] ||
    echo "glassbox: warning: Docker Engine $engine is older than 28: other hosts of this host's network can reach a port that is" \
      "published on 127.0.0.1. Upgrade the engine, or have a firewall drop what comes from outside for 127.0.0.0/8" >&2 ;;
  esac
}

check_syntax() { # check that Compose can read .env and the Compose files
  message=$(docker compose config --quiet 2>&1) && return
  message=$(echo "$message" | grep -v '^ *$' | grep -v level=warning | tail -n 1)
  # Compose's message ends with the value.
  value=$(echo "$message" | sed "s/: invalid [a-z ]*\$//; s/['\"]*\$//; s/.*[ '\"]//; s|/volume\$||; s|/redis\$||")
  line=
  [ -z "$value" ] || [ ! -r .env ] || line=$(grep -nF -- "=$value" .env | head -n 1 | sed 's/^\([0-9]*\):\(.*\)/, line \1 (\2)/')
  problem ".env${line:- or a variable that is exported}: $message. Correct it; .env.example lists the variables"
  end_if_failed
}

listeners() { # PORT: the addresses on which something listens, as hexadecimal numbers
  awk -v port="$(printf '%04X' "$1")" '$4 == "0A" && split($2, at, ":") && at[2] == port { print at[1] }' \
    /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

check_port() { # NAME PORT ADDRESS SERVICE: check that no other program has the port
  [ -r /proc/net/tcp ] || return 0 # the engine runs in a virtual machine
  case $2 in '' | *[!0-9]*) return 0 ;; esac # check_settings reports it
  own=$(docker compose ps --format '{{.Publishers}}' "$4" 2>/dev/null) || own=
  case $own in *" $2 "*) return 0 ;; esac
  hexadecimal=$(echo "$3" | awk -F . 'NF == 4 { printf "%02X%02X%02X%02X", $4, $3, $2, $1 }')
  for address in $(listeners "$2"); do
    case $address in
    "$hexadecimal" | 00000000 | 00000000000000000000000000000000) ;;
    *) [ "$3" = 0.0.0.0 ] || [ "$3" = :: ] || [ -z "$hexadecimal" ] || continue ;;
    esac
    holder=$(docker ps --filter "publish=$2" --format 'the container {{.Names}}' | head -n 1)
    [ "$holder" ] || holder=$(ss -Hltnp "sport = :$2" 2>/dev/null | sed -n 's/.*users:(("\([^"]*\)",pid=\([0-9]*\).*/\1 (process \2)/p' | head -n 1)
    problem "port $2 of $3 is taken by ${holder:-another program}. Stop that, or choose another port: echo $1=$(($2 + 1)) >> .env"
    return
  done
}

check_address() { # NAME ADDRESS: check that it is an address of this host, if the kernel lists them
  case $2 in *[!0-9.]* | 127.* | 0.0.0.0) return 0 ;; esac
  [ ! -r /proc/net/fib_trie ] || grep --quiet --word-regexp --fixed-strings "$2" /proc/net/fib_trie ||
    problem "$1: this host has no address $2. \`ip -brief address\` lists those that it has"
}

check_folder() { # NAME REMEDY: check that the variable names a folder of this host; Docker would create it, owned by root
  folder=$(value_of "$1")
  [ -z "$folder" ] || [ -d "$folder" ] || problem "$1: $folder is not a folder of this host. $2"
}

check_space() { # FOLDER MiB WHAT
  [ -d "$1" ] || return 0 # the folder is on another machine
  free=$(df -Pk "$1" 2>/dev/null | awk 'NR == 2 { print int($4 / 1024) }')
  [ "${free:-$2}" -ge "$2" ] || problem "$3, $1, has $free MiB free; $2 MiB are needed. Free some: docker system df lists what Docker holds"
}

check_engine
check_syntax
port=$(value_of GLASSBOX_PORT)
address=$(value_of GLASSBOX_PUBLISHED_ON)
if [ "$(value_of GLASSBOX_DOMAIN)" ]; then
  check_port GLASSBOX_PORT "${port:-443}" "${address:-0.0.0.0}" gateway
  port=$(value_of GLASSBOX_HTTP_PORT)
  check_port GLASSBOX_HTTP_PORT "${port:-80}" "${address:-0.0.0.0}" gateway
else
  check_port GLASSBOX_PORT "${port:-8000}" "${address:-127.0.0.1}" gateway
fi
[ -z "$address" ] || check_address GLASSBOX_PUBLISHED_ON "$address"
check_folder GLASSBOX_TLS "Correct the path, or make the folder: docs/operations/certificates.md has the commands"
check_folder GLASSBOX_DATASETS "Correct the path, or make the folder"
check_folder GLASSBOX_IMPORT_FOLDERS "Correct the path, or make the folder"
exports=$(value_of GLASSBOX_EXPORT_FOLDERS)
check_folder GLASSBOX_EXPORT_FOLDERS "Make it for the services' user: sudo install -d -o 10001 -g 10001 -m 770 $exports"
data=$(value_of GLASSBOX_DATA)
if [ "$data" ]; then
  for folder in volume redis; do
    [ -d "$data/$folder" ] || {
      problem "GLASSBOX_DATA: $data/$folder is not a folder of this host. Make both: sudo install -d -o 10001 -g 10001 -m 770 $data/volume $data/redis"
      break
    }
  done
fi
needed=256
built=yes
for image in api worker; do
  identifier "$(reference $image)" >/dev/null || { # still to be built or pulled
    built=
    needed=2048
  }
done
check_space "$(docker info --format '{{.DockerRootDir}}')" $needed "Docker's folder"
end_if_failed

[ "$(value_of GLASSBOX_REVISION)" ] || name_revision
[ "$built" ] || ! docker compose config | grep -q 'pull_policy: never' || docker compose build --quiet preflight api >&2 || {
  problem "the images of the API and the workers cannot be built, as printed above"
  end_if_failed
}
check_settings || failed=yes
end_if_failed
exec docker compose up --wait "$@"
