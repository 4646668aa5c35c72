#!/bin/bash
# The gateway container's health check: nginx answers. Whether the API does is told by the API's own.
exec 3<>/dev/tcp/127.0.0.1/8001 || exit 1
printf 'GET / HTTP/1.0\r\n\r\n' >&3
read -r -t 3 _ status _ <&3
[[ $status == 204 ]]
