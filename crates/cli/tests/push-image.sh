#!/bin/bash
# push-image.sh REGISTRY NAME TAG: makes an OCI image of a static busybox that serves one page on 8080, and pushes it with curl.
set -euo pipefail
registry=$1 name=$2 tag=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir -p root/bin root/www root/tmp
install -m 755 "$(command -v busybox)" root/bin/busybox
ln -s busybox root/bin/httpd
ln -s busybox root/bin/sh
echo "hello from a registry" >root/www/index.html
tar -C root --owner=0 --group=0 --mtime=@0 -cf layer.tar .
diff=$(sha256sum layer.tar | cut -d' ' -f1)
gzip -n layer.tar
cat >config.json <<C
{"architecture":"amd64","os":"linux","config":{"Entrypoint":["/bin/httpd","-f","-p","8080","-h","/www"],"Env":["PATH=/bin"]},"rootfs":{"type":"layers","diff_ids":["sha256:$diff"]}}
C
digest() { echo "sha256:$(sha256sum "$1" | cut -d' ' -f1)"; }
push() {
  location=$(curl -sf -i -X POST "http://$registry/v2/$name/blobs/uploads/" | tr -d '\r' | sed -n 's/^[Ll]ocation: //p')
  case $location in /*) location="http://$registry$location" ;; esac
  curl -sf -o /dev/null -X PUT -H 'Content-Type: application/octet-stream' --data-binary "@$1" "$location&digest=$(digest "$1")"
}
push layer.tar.gz
push config.json
cat >manifest.json <<M
{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
 "config":{"mediaType":"application/vnd.oci.image.config.v1+json","size":$(stat -c %s config.json),"digest":"$(digest config.json)"},
 "layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","size":$(stat -c %s layer.tar.gz),"digest":"$(digest layer.tar.gz)"}]}
M
curl -sf -o /dev/null -X PUT -H 'Content-Type: application/vnd.oci.image.manifest.v1+json' --data-binary @manifest.json "http://$registry/v2/$name/manifests/$tag"
echo "pushed $registry/$name:$tag"
