#!/bin/bash
# Boots Debian's stock kernel under emulation over this machine's root file system, and runs the tests that are marked
# `stock_kernel` there: same runner, same result, same exit code.
# usage: test-kernel.sh [pytest arguments]
set -euo pipefail
cd "$(dirname "$0")/.."
# Not below /var/cache: the guest mounts fresh file systems on such places.
cache=${FAIRLEAD_KERNEL_CACHE:-/var/lib/fairlead-test-kernel}
limit=${FAIRLEAD_KERNEL_TIMEOUT:-840}

skip() {
    echo "test-kernel: skipped: $1"
    exit 0
}

export DEBIAN_FRONTEND=noninteractive
for package in qemu-system-x86 kmod; do
    dpkg-query -W -f '${Status}' $package 2>/dev/null | grep -q 'ok installed' && continue
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends $package; } >/dev/null ||
        skip "the package $package cannot be had"
done
.venv/bin/python -c 'import virtme' 2>/dev/null ||
    .venv/bin/python -m pip install -qq --disable-pip-version-check 'virtme-ng>=1.30' ||
    skip "virtme-ng cannot be had from PyPI"

image=$(apt-cache depends linux-image-amd64 2>/dev/null | awk '/Depends: linux-image-[0-9]/ { print $2; exit }')
[ -n "$image" ] || { apt-get update -qq >/dev/null && image=$(apt-cache depends linux-image-amd64 | awk '/Depends: linux-image-[0-9]/ { print $2; exit }'); }
[ -n "$image" ] || skip "apt does not know linux-image-amd64"
release=${image#linux-image-}
if [ ! -e "$cache/$release/ready" ]; then
    mkdir -p "$cache/$release"
    # apt checks the package against the archive's signed digests before it is unpacked.
    (cd "$cache" && apt-get download -qq "$image" 2>/dev/null) || skip "the package $image cannot be had"
    dpkg -x "$cache/$image"_*.deb "$cache/$release"
    rm -f "$cache/$image"_*.deb
    depmod -b "$cache/$release" "$release"
    touch "$cache/$release/ready"
fi

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
echo 255 > "$out/code"
: > "$out/log"
arguments=$([ $# = 0 ] || printf '%q ' "$@")
cat > "$out/guest.sh" <<GUEST
export PATH=$PWD/.venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb
export PYTHONDONTWRITEBYTECODE=1 FAIRLEAD_STOCK_KERNEL=1 FAIRLEAD_LAB_PATIENCE=8 HYPOTHESIS_STORAGE_DIRECTORY=/run/hypothesis
for module in overlay bridge veth vxlan macvlan ipvlan 8021q dummy nf_tables ip_vs esp4 xfrm_user sch_netem sch_tbf; do
    modprobe \$module || echo "test-kernel: no module \$module"
done
cd $PWD
# Only files with the mark are read: importing the others takes long under emulation.
python -m pytest -q -p no:cacheprovider -m stock_kernel --basetemp=/run/pytest $arguments \$(grep -rl --include=test_*.py stock_kernel tests) >> $out/log 2>&1
echo \$? > $out/code
sync
GUEST

echo "test-kernel: booting $release under emulation"
tail -n +1 -f "$out/log" &
follower=$!
PATH="$PWD/.venv/bin:$PATH" timeout "$limit" vng --run "$cache/$release/boot/vmlinuz-$release" --disable-kvm --force-9p --cpus 2 --memory 6G \
    --rwdir="$out" --exec "sh $out/guest.sh" </dev/null >"$out/console" 2>&1 || true
sleep 0.5
kill $follower 2>/dev/null || true
code=$(cat "$out/code")
if [ "$code" = 255 ]; then
    echo "test-kernel: the guest did not finish within $limit s; the end of its console:" >&2
    tail -n 30 "$out/console" >&2
    exit 1
fi
# No test chosen is pytest's 5: nothing is marked for this kernel, which is a fault of ours.
exit "$code"
