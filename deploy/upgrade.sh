#!/bin/bash
# upgrade.sh [SERVICE...]: replaces the containers of these services (default: every service that can run twice) with ones
# from the current image and settings. No request fails: new containers are working before the old ones are removed.
# Set COMPOSE_FILE (docker-compose.yml:docker-compose.cpu.yml) and COMPOSE_PROJECT_NAME as for any compose command.
set -euo pipefail
cd "$(dirname "$0")/.."
# The aggregator comes before webhook_svc, which did the aggregator's work in older versions.
[[ $# -gt 0 ]] || set -- triton detector ocr attributes aggregator webhook_svc reads gateway

# A new version may add NATS users: create their passwords and restart NATS.
docker compose run --rm --no-deps --no-TTY keys
if ! docker compose exec --no-TTY nats cat /etc/nats/platelane.conf | cmp --silent - deploy/nats.conf; then
    echo "nats: restarting with its new configuration; requests wait"
    docker compose up --detach --wait --no-deps --no-build --force-recreate nats
fi

echo "topology: updating streams and consumers for the new version"
docker compose run --rm --no-deps --no-TTY topology

for service in "$@"; do
    mapfile -t old < <(docker compose ps --quiet "$service")
    count=${#old[@]}
    [[ $count -gt 0 ]] || count=1  # not running yet
    echo "$service: starting $count beside the ${#old[@]} running"
    docker compose up --detach --wait --no-deps --no-recreate --no-build --scale "$service=$((${#old[@]} + count))" "$service"
    [[ ${#old[@]} -gt 0 ]] || continue
    sleep 2  # give the front, or the clients of Triton, time to find them
    docker stop "${old[@]}" > /dev/null
    docker rm "${old[@]}" > /dev/null
    echo "$service: done"
done
