#!/bin/bash
# Boots Debian's stock kernel under emulation over this machine's root file system, and runs the tests that are marked
# `stock_kernel` there: same runner, same result, same exit code. What failed is run once more, in a fresh boot.
# All of it has FAIRLEAD_KERNEL_TIMEOUT seconds; exit code 75: they were too few, and nothing failed until then.
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

# boot ARGUMENTS: one boot; `code` is pytest's exit code, 255 when the guest did not finish in the time that is left.
boot() {
    echo 255 > "$out/code"
    : > "$out/log"
    cat > "$out/guest.sh" <<GUEST
export PATH=$PWD/.venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb
export PYTHONDONTWRITEBYTECODE=1 FAIRLEAD_STOCK_KERNEL=1 FAIRLEAD_LAB_PATIENCE=8 HYPOTHESIS_STORAGE_DIRECTORY=/run/hypothesis
for module in overlay bridge veth vxlan macvlan ipvlan 8021q dummy nf_tables ip_vs esp4 xfrm_user sch_netem sch_tbf; do
    modprobe \$module || echo "test-kernel: no module \$module"
done
cd $PWD
python -m pytest -v --no-header -p no:cacheprovider -m stock_kernel --basetemp=/run/pytest $1 >> $out/log 2>&1
echo \$? > $out/code
sync
GUEST
    echo "test-kernel: booting $release under emulation, with $((limit - SECONDS)) s to go"
    tail -n +1 -f "$out/log" &
    local follower=$!
    PATH="$PWD/.venv/bin:$PATH" timeout "$((limit > SECONDS ? limit - SECONDS : 1))" \
        vng --run "$cache/$release/boot/vmlinuz-$release" --disable-kvm --force-9p --cpus 2 --memory 6G \
        --rwdir="$out" --exec "sh $out/guest.sh" </dev/null >"$out/console" 2>&1 || true
    sleep 0.5
    kill $follower 2>/dev/null || true
    code=$(cat "$out/code")
}

# ended WORDS: the tests that ended so, by what pytest has said so far.
ended() {
    sed -nE "s/^(tests\/.*::.*) ($1) +\[ *[0-9]+%\]\$/\1/p" "$out/log"
}

arguments=$([ $# = 0 ] || printf '%q ' "$@")
# Only files with the mark are read: importing the others takes long under emulation.
boot "$arguments \$(grep -rl --include=test_*.py stock_kernel tests)"
ended 'FAILED|ERROR' > "$out/failed"
if [ "$code" = 255 ]; then
    {
        echo "test-kernel: NOT FINISHED within $limit s: $(ended PASSED | wc -l) passed and $(wc -l < "$out/failed") failed until then"
        cat "$out/failed"
        echo "test-kernel: the end of the guest's console:"
        tail -n 30 "$out/console"
    } >&2
    [ -s "$out/failed" ] && exit 1
    exit 75
fi
if [ "$code" = 1 ] && [ -s "$out/failed" ]; then
    echo "test-kernel: some tests failed; once more, only those:"
    boot "@$out/failed"
    [ "$code" != 255 ] || { echo "test-kernel: no time was left for them" >&2; exit 1; }
fi
# No test chosen is pytest's 5: nothing is marked for this kernel, which is a fault of ours.
exit "$code"
