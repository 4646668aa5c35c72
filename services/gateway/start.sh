#!/bin/sh
# Writes what the settings decide as pieces of nginx's configuration, and becomes nginx.
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

{
  # The name server of the container; an IPv6 address stands in brackets.
  awk '$1 == "nameserver" { print "resolver " ($2 ~ /:/ ? "[" $2 "]" : $2) " valid=2s;"; exit }' /etc/resolv.conf
  echo "resolver_timeout 3s;"
  for proxy in $(echo "${GLASSBOX_OUTER_PROXIES:-}" | tr ',' ' '); do
    echo "set_real_ip_from $proxy;"
  done
  echo "real_ip_header X-Forwarded-For;"
  echo "real_ip_recursive on;"
} >"$pieces/http.conf"

{
  # shellcheck disable=SC2016 # $api is nginx's variable
  echo 'set $api '"$api;"
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

exec nginx -e stderr -c /etc/glassbox/nginx.conf
