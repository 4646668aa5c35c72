#!/bin/sh
# Writes what the settings decide as pieces of nginx's configuration, keeps an eye on where the API is, becomes nginx.
set -eu

port=${GLASSBOX_PORT:-8000}
api=${GLASSBOX_API:-api:8000}
tls=${GLASSBOX_TLS:+/etc/glassbox/tls}
pieces=/tmp/gateway

fail() {
  echo "glassbox: $*" >&2
  exit 1
}

number() { # NAME VALUE
  case $2 in '' | *[!0-9]*) fail "$1 is '$2', which is no number" ;; esac
  echo "$2"
}

upload=$(number GLASSBOX_MAX_BODY_BYTES "${GLASSBOX_MAX_BODY_BYTES:-2147483648}")
online=$(number GLASSBOX_MAX_ONLINE_BYTES "${GLASSBOX_MAX_ONLINE_BYTES:-20971520}")
json=$(number GLASSBOX_MAX_JSON_BYTES "${GLASSBOX_MAX_JSON_BYTES:-1048576}")
uploads=$(number GLASSBOX_MAX_UPLOADS "${GLASSBOX_MAX_UPLOADS:-48}")

mkdir -p "$pieces"
rm -rf /var/spool/glassbox/* # what a killed gateway left

# The API's containers come and go. nginx of this version looks their name up once, or else has a new connection for each
# request, which costs half of the requests a second. So the name is looked up here, again and again.
write_upstream() {
  {
    echo "upstream api {"
    # Where the name is not known, nobody listens.
    (getent ahosts "${api%:*}" || echo 127.0.0.1) | awk -v port="${api##*:}" '
      { print "  server " ($1 ~ /:/ ? "[" $1 "]" : $1) ":" port " max_fails=2 fail_timeout=2s;" }' | sort -u
    echo "  keepalive 64;"
    echo "  keepalive_timeout 20s;" # less than gunicorn's, which would close a connection while it is taken
    echo "}"
  } >"$pieces/upstream.new"
}

follow_the_api() {
  while sleep 1; do
    write_upstream
    if ! cmp -s "$pieces/upstream.new" "$pieces/upstream.conf"; then
      mv "$pieces/upstream.new" "$pieces/upstream.conf"
      kill -HUP "$(cat "$pieces/nginx.pid")" # what is under way goes on to its end
    fi
  done
}

write_upstream
mv "$pieces/upstream.new" "$pieces/upstream.conf"

{
  for proxy in $(echo "${GLASSBOX_OUTER_PROXIES:-}" | tr ',' ' '); do
    echo "set_real_ip_from $proxy;"
  done
  echo "real_ip_header X-Forwarded-For;"
  echo "real_ip_recursive on;"
} >"$pieces/http.conf"

{
  echo "client_max_body_size $((online > json ? online : json));"
  if [ -n "$tls" ]; then
    for file in "$tls/tls.crt" "$tls/tls.key"; do
      [ -r "$file" ] || fail "GLASSBOX_TLS is set, and $(id -u), as whom the gateway runs, cannot read $file"
    done
    echo "listen $port ssl;"
    echo "http2 on;"
    echo "ssl_certificate $tls/tls.crt;"
    echo "ssl_certificate_key $tls/tls.key;"
    echo "ssl_protocols TLSv1.2 TLSv1.3;"
    echo "ssl_session_cache shared:tls:4m;"
    # Who speaks plain HTTP here is told where to go, and that what he sent is to be sent again.
    # shellcheck disable=SC2016
    echo 'error_page 497 =308 https://$http_host$request_uri;'
  else
    echo "listen $port;"
  fi
} >"$pieces/server.conf"

{
  echo "client_max_body_size $upload;"
  echo "limit_conn uploads $uploads;"
} >"$pieces/upload.conf"

follow_the_api &
exec nginx -e stderr -c /etc/glassbox/nginx.conf
