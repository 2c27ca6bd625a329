#!/bin/bash
# keys.sh FOLDER: gives every user in deploy/nats.conf a password, once. FOLDER/<service> is mounted in that service as
# /run/secrets; nats-server includes FOLDER/nats. To change all passwords, remove the volume and start again.
set -euo pipefail
cd "$1"
mkdir -p nats
for service in topology gateway detector ocr attributes aggregator webhook_svc reads; do
    mkdir -p "$service"
    if [[ ! -s $service/platelane_nats_password ]]; then
        od -An -vtx1 -N32 /dev/urandom | tr -d ' \n' > "$service/new"
        mv "$service/new" "$service/platelane_nats_password"
    fi
    printf %s "$service" > "$service/platelane_nats_user"
    printf 'password_%s: "%s"\n' "$service" "$(< "$service/platelane_nats_password")"
done > nats/new
mv nats/new nats/passwords.conf
