#!/bin/bash
# upgrade.sh [SERVICE...]: replaces the containers of these services (all that can be doubled, if none is named) by new
# ones of the image and settings that are there now, without a failed request: the new ones work before the old ones go.
# Which compose files: COMPOSE_FILE=docker-compose.yml:docker-compose.cpu.yml (and COMPOSE_PROJECT_NAME), as ever.
set -euo pipefail
cd "$(dirname "$0")/.."
[[ $# -gt 0 ]] || set -- triton detector ocr attributes webhook_svc gateway
for service in "$@"; do
    mapfile -t old < <(docker compose ps --quiet "$service")
    echo "$service: starting ${#old[@]} beside the ${#old[@]} there are"
    docker compose up --detach --wait --no-deps --no-recreate --no-build --scale "$service=$((2 * ${#old[@]}))" "$service"
    sleep 2  # until the front, or the clients of Triton, know them
    docker stop "${old[@]}" > /dev/null
    docker rm "${old[@]}" > /dev/null
    echo "$service: done"
done
