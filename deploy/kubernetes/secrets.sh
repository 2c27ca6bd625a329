#!/bin/bash
# secrets.sh | kubectl create --filename -
# The Secrets that the pods mount, with a password for each user of NATS, once: `create` leaves those that are there.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
bash "$(dirname "$0")/../keys.sh" "$folder"
route=$(od -An -vtx1 -N32 /dev/urandom | tr -d ' \n')

cat <<END
apiVersion: v1
kind: Secret
metadata: {name: nats, namespace: platelane}
stringData:
  passwords.conf: |
$(sed 's/^/    /' "$folder/nats/passwords.conf")
  cluster.conf: |
    authorization {user: route, password: "$route"}
    routes: [
      nats-route://route:$route@nats-0.nats:6222
      nats-route://route:$route@nats-1.nats:6222
      nats-route://route:$route@nats-2.nats:6222
    ]
END
for service in gateway webhook_svc detector ocr attributes; do
    cat <<END
---
apiVersion: v1
kind: Secret
metadata: {name: nats-${service/_/-}, namespace: platelane}
stringData:
  platelane_nats_user: "$(< "$folder/$service/platelane_nats_user")"
  platelane_nats_password: "$(< "$folder/$service/platelane_nats_password")"
END
done
