#!/bin/bash
# upgrade.sh [SERVICE...]: replaces the containers of these services (all that can be doubled, if none is named) by new
# ones of the image and settings that are there now, without a failed request: the new ones work before the old ones go.
# Which compose files: COMPOSE_FILE=docker-compose.yml:docker-compose.cpu.yml (and COMPOSE_PROJECT_NAME), as ever.
set -euo pipefail
cd "$(dirname "$0")/.."
# The aggregator comes before webhook_svc, which did its work in versions before it was a service of its own.
[[ $# -gt 0 ]] || set -- triton detector ocr attributes aggregator webhook_svc reads gateway

# A new version may bring new users of NATS: they get passwords, and NATS has to be told of them.
docker compose run --rm --no-deps --no-TTY keys
if ! docker compose exec --no-TTY nats cat /etc/nats/platelane.conf | cmp --silent - deploy/nats.conf; then
    echo "nats: restarting with its new configuration; requests wait"
    docker compose up --detach --wait --no-deps --no-build --force-recreate nats
fi

echo "topology: making streams and consumers what the new version needs"
docker compose run --rm --no-deps --no-TTY topology

for service in "$@"; do
    mapfile -t old < <(docker compose ps --quiet "$service")
    count=${#old[@]}
    [[ $count -gt 0 ]] || count=1  # a service that is new
    echo "$service: starting $count beside the ${#old[@]} there are"
    docker compose up --detach --wait --no-deps --no-recreate --no-build --scale "$service=$((${#old[@]} + count))" "$service"
    [[ ${#old[@]} -gt 0 ]] || continue
    sleep 2  # until the front, or the clients of Triton, know them
    docker stop "${old[@]}" > /dev/null
    docker rm "${old[@]}" > /dev/null
    echo "$service: done"
done
