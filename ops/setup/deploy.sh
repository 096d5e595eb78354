#!/usr/bin/env bash
# Puts an image on a cluster: deploy.sh sha256:… — for the workflows, from the root of the repository.
#
# Takes from the environment: KUBECONFIG_TEXT, the cluster and a user that may change the namespace; TOKEN, for the
# registry; VALUES, the environment's own values as YAML (host, settings, what differs from ops/helm/karyaksham);
# GITHUB_REPOSITORY and GITHUB_ACTOR. An image that main's workflow did not sign goes nowhere.
set -euo pipefail
digest=${1:?the digest of an image}
image="ghcr.io/${GITHUB_REPOSITORY,,}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 077

docker login ghcr.io --username "$GITHUB_ACTOR" --password-stdin <<< "$TOKEN"
cosign verify "$image@$digest" --output text \
    --certificate-oidc-issuer https://token.actions.githubusercontent.com \
    --certificate-identity "https://github.com/$GITHUB_REPOSITORY/.github/workflows/main.yaml@refs/heads/main"

printf '%s' "$KUBECONFIG_TEXT" > "$work/kubeconfig"
printf '%s' "$VALUES" > "$work/values.yaml"
helm=$(python3 -m ops.setup.package_tools --only helm)
# Migrations run first (a hook); a version that does not become ready is taken back.
KUBECONFIG="$work/kubeconfig" "$helm" upgrade karyaksham ops/helm/karyaksham --install \
    --namespace karyaksham --create-namespace \
    --values "$work/values.yaml" --set "image.repository=$image" --set "image.digest=$digest" \
    --rollback-on-failure --wait --timeout 30m
