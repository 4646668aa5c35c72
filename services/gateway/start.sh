#!/bin/sh
# Writes the parts of nginx's configuration that depend on settings, then executes nginx. Background processes reload nginx
# when the API's addresses or the certificate change.
set -eu

port=${GLASSBOX_PORT:-8000}
api=${GLASSBOX_API:-api:8000}
tls=${GLASSBOX_TLS:+/etc/glassbox/tls}
domain=${GLASSBOX_DOMAIN:-}
certificates=/etc/glassbox/certificates # a volume that the certificates service writes
pieces=/tmp/gateway

fail() {
  echo "glassbox: $*" >&2
  exit 1
}

number() { # NAME VALUE
  case $2 in '' | *[!0-9]*) fail "$1 is '$2'; it must be a whole number" ;; esac
  echo "$2"
}

upload=$(number GLASSBOX_MAX_BODY_BYTES "${GLASSBOX_MAX_BODY_BYTES:-2147483648}")
online=$(number GLASSBOX_MAX_ONLINE_BYTES "${GLASSBOX_MAX_ONLINE_BYTES:-20971520}")
json=$(number GLASSBOX_MAX_JSON_BYTES "${GLASSBOX_MAX_JSON_BYTES:-1048576}")
uploads=$(number GLASSBOX_MAX_UPLOADS "${GLASSBOX_MAX_UPLOADS:-48}")
per_address=$(number GLASSBOX_MAX_CONNECTIONS_PER_ADDRESS "${GLASSBOX_MAX_CONNECTIONS_PER_ADDRESS:-256}")

[ -z "$tls" ] || [ -z "$domain" ] ||
  fail "GLASSBOX_TLS and GLASSBOX_DOMAIN are both set: leave GLASSBOX_TLS empty to get a certificate for $domain, or GLASSBOX_DOMAIN to serve yours"

case $domain in *[!a-zA-Z0-9.,\ -]*) fail "GLASSBOX_DOMAIN is '$domain': write names alone, separated by commas" ;; esac

mkdir -p "$pieces"
rm -rf /var/spool/glassbox/* # files of a killed gateway

# The certificates service replaces its file atomically. nginx gets a copy, so that a reload always finds a key with its
# certificate.
new_certificate() {
  [ -n "$domain" ] && [ "$certificates/tls.pem" -nt "$pieces/tls.pem" ] &&
    cp --preserve=timestamps "$certificates/tls.pem" "$pieces/tls.new" && mv -f "$pieces/tls.new" "$pieces/tls.pem"
}

follow_the_certificate() {
  while sleep 2; do # not more often: each sleep is a process
    if new_certificate; then
      write_server
      # A reload completes the requests in progress. Before nginx has started it fails and is repeated.
      until kill -HUP "$(cat "$pieces/nginx.pid")"; do sleep 1; done 2>/dev/null
    fi
  done
}

write_server() {
  {
    echo "client_max_body_size $((online > json ? online : json));"
    if [ -n "$tls" ]; then
      tls_port "$tls/tls.crt" "$tls/tls.key"
    elif [ -n "$domain" ] && [ -e "$pieces/tls.pem" ]; then
      tls_port "$pieces/tls.pem" "$pieces/tls.pem"
    elif [ -n "$domain" ]; then
      echo "listen 127.0.0.1:8002;" # no public port until a certificate exists; a temporary one is enough
    else
      echo "listen $port;"
    fi
  } >"$pieces/server.conf"
}

tls_port() { # CERTIFICATE KEY
  echo "listen $port ssl;"
  echo "http2 on;"
  echo "ssl_certificate $1;"
  echo "ssl_certificate_key $2;"
  echo "ssl_protocols TLSv1.2 TLSv1.3;"
  echo "ssl_session_cache shared:tls:4m;"
  # Plain HTTP on this port is redirected, with a status that makes the client repeat the request.
  # shellcheck disable=SC2016
  echo 'error_page 497 =308 https://$http_host$request_uri;'
}

follow_api.pl "$api" "$pieces" once

{
  for proxy in $(echo "${GLASSBOX_OUTER_PROXIES:-}" | tr ',' ' '); do
    echo "set_real_ip_from $proxy;"
  done
  echo "real_ip_header X-Forwarded-For;"
  echo "real_ip_recursive on;"
} >"$pieces/http.conf"

if [ -n "$tls" ]; then
  for file in "$tls/tls.crt" "$tls/tls.key"; do
    [ -r "$file" ] || fail "GLASSBOX_TLS is set, but the gateway's user, uid $(id -u), cannot read $file"
  done
fi
new_certificate || true
write_server

# Plain HTTP: serves the certificate authority's challenges, and redirects everything else with a status that keeps the method.
https_port=$(number GLASSBOX_HTTPS_PORT "${GLASSBOX_HTTPS_PORT:-443}")
[ "$https_port" = 443 ] && https_port= || https_port=":$https_port"
if [ -n "$domain" ]; then
  cat <<END
server {
  listen 8080;
  server_name ${domain%%,*}; # for requests without a Host
  client_max_body_size 1k;
  include /etc/glassbox/errors.conf;
  location = /-/error {
    include /etc/glassbox/problem.conf;
    return 200 \$problem;
  }
  location /.well-known/acme-challenge/ {
    root $certificates/webroot;
    default_type text/plain;
  }
  location / {
    return 308 https://\$host$https_port\$request_uri;
  }
}
END
fi >"$pieces/domain.conf"

echo "limit_conn uploads $uploads;" >"$pieces/resumable.conf"
{
  echo "client_max_body_size $upload;"
  echo "limit_conn uploads $uploads;"
} >"$pieces/upload.conf"
if [ "$per_address" -gt 0 ]; then # 0: no limit
  echo "limit_conn addresses $per_address;"
fi >"$pieces/connections.conf"

if [ -n "$tls" ]; then
  reason=$(nginx -t -q -e stderr -c /etc/glassbox/nginx.conf 2>&1) ||
    fail "nginx cannot use the certificate that GLASSBOX_TLS names: $(echo "$reason" | sed -n 's/.*\[emerg\] [^:]*: //p' | head -n 1)." \
      "Put a certificate and its key into that folder; \`make deploy\` checks both"
  rm -f "$pieces/nginx.pid" # the test above writes it, too
fi

# Restart follow_api.pl if it ends, for example because /tmp is full: otherwise nginx would keep outdated addresses.
while true; do
  follow_api.pl "$api" "$pieces" || true
  sleep 1
done &
if [ -n "$domain" ]; then
  follow_the_certificate &
fi
exec nginx -e stderr -c /etc/glassbox/nginx.conf
