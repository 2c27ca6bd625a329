#!/bin/bash
# healthcheck.sh PORT PATH: succeeds if 127.0.0.1:PORT answers PATH with 200.
# Pure Bash: starting Python every few seconds in every container would cost more than the idle services themselves.
exec 3<> "/dev/tcp/127.0.0.1/$1" || exit 1
printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$2" >&3
read -r status <&3
[[ $status == HTTP/1.?\ 200\ * ]] && exit 0
echo "$2: ${status:-no answer}"
exit 1
