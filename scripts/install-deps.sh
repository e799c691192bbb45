#!/bin/sh
# Installs what building and testing needs from Debian's packages; does nothing where all of it is there. qemu-user and OpenBLAS
# are for the tests alone.
set -eu
packages="
make gcc g++ pkg-config patchelf binutils
libomp-dev libjsmn-dev
libpng-dev zlib1g-dev libcairo2-dev libnifti-dev libjansson-dev
python3 python3-venv
qemu-user libopenblas-dev
"
missing=
for package in $packages; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq
# shellcheck disable=SC2086 # a list of words
$sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
