#!/bin/bash
# secrets.sh | kubectl create --filename -
# secrets.sh FOLDER | kubectl apply --filename -
# Prints the Secrets that the pods mount, with a password for each NATS user. FOLDER holds passwords.conf and cluster.conf
# from the cluster's Secret `nats`: existing passwords are kept, and new users get one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
route=$(od -An -vtx1 -N32 /dev/urandom | tr -d ' \n')
if [[ $# -gt 0 ]]; then
    route=$(sed -n 's/.*user: route, password: "\(.*\)".*/\1/p' "$1/cluster.conf")
    while read -r user password; do
        mkdir -p "$folder/$user"
        printf %s "$password" > "$folder/$user/platelane_nats_password"
    done < <(sed -n 's/^password_\(.*\): "\(.*\)"$/\1 \2/p' "$1/passwords.conf")
fi
bash "$(dirname "$0")/../keys.sh" "$folder"

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
for service in topology gateway detector ocr attributes aggregator webhook_svc reads; do
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
