#!/usr/bin/env bash
# Proves the unit under a real systemd: a Debian tree is booted in a container, hyphad is installed
# in it as the README says, and inside.sh tries start, status, reload, restart, crash and stop.
#
# As root: tests/systemd/prove.sh [FOLDER]. FOLDER keeps the bare Debian tree for the next run.
# Needs debootstrap, systemd-nspawn, and a network for packages; the container itself has none.
set -euo pipefail

here=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
base=${1:-$work}/bookworm
root=$work/root
packages=systemd,systemd-sysv,dbus,python3,python3-venv,curl

for tool in debootstrap systemd-nspawn; do
  command -v "$tool" >/dev/null || {
    echo "needs $tool: apt-get install debootstrap systemd-container" >&2
    exit 2
  }
done

if [ ! -x "$base/usr/bin/curl" ] || [ ! -x "$base/usr/bin/systemctl" ]; then
  rm -rf "$base"
  mkdir -p "$base"
  debootstrap --variant=minbase --include="$packages" bookworm "$base" >"$work/debootstrap.log" ||
    { tail -20 "$work/debootstrap.log" >&2; exit 1; }
fi
cp -a --reflink=auto "$base" "$root"

# The wheels are fetched outside, by the Python of this machine for that of the tree.
version=$(chroot "$root" python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
python3 -m venv "$work/venv"
pip=("$work/venv/bin/pip" -qq --disable-pip-version-check)
"${pip[@]}" wheel --no-deps -w "$work/wheels" "$here"
"${pip[@]}" download --only-binary=:all: --python-version "$version" -d "$work/wheels" \
  "$work"/wheels/hyphad-*.whl
cp -r "$work/wheels" "$root/opt/wheels"
chroot "$root" python3 -m venv /opt/hyphad
chroot "$root" /opt/hyphad/bin/pip -qq --disable-pip-version-check install \
  --no-index --find-links /opt/wheels hyphad
cp "$here/hyphad.service" "$root/etc/systemd/system/"
echo "proved: hyphad installs into /opt/hyphad of Debian $(cat "$root/etc/debian_version")"

verified=$(chroot "$root" systemd-analyze verify --man=no hyphad.service 2>&1) && [ -z "$verified" ] ||
  { echo "FAILED: systemd-analyze verify: $verified"; exit 1; }
echo "proved: systemd-analyze verify has nothing to say"

exposure=$(chroot "$root" systemd-analyze security --offline=true hyphad.service 2>/dev/null |
  sed -n 's/.*exposure level for hyphad.service: \([0-9.]*\).*/\1/p')
awk -v level="$exposure" 'BEGIN { exit !(level != "" && level <= 2.0) }' ||
  { echo "FAILED: the exposure level is ${exposure:-unknown}"; exit 1; }
echo "proved: systemd-analyze security gives an exposure level of $exposure"

cp "$here/tests/systemd/inside.sh" "$root/usr/local/bin/inside.sh"
cat >"$root/etc/systemd/system/inside.service" <<'UNIT'
[Service]
Type=exec
ExecStart=/bin/sh /usr/local/bin/inside.sh
StandardOutput=file:/proof.log
StandardError=file:/proof.log
ExecStopPost=/bin/systemctl poweroff --no-block
[Unit]
After=multi-user.target
UNIT
mkdir -p "$root/etc/systemd/system/default.target.wants"
ln -s ../inside.service "$root/etc/systemd/system/default.target.wants/inside.service"

nspawn=(systemd-nspawn --quiet --machine="hyphad-proof-$$" -D "$root" --private-network --boot)
if ! [ -d /run/systemd/system ]; then
  # No systemd outside: nobody to register with, and /run may be no tmpfs, which nspawn wants.
  nspawn=(unshare --mount sh -c 'mount -t tmpfs tmpfs /run && exec "$@"' - "${nspawn[@]}"
    --register=no --keep-unit)
fi
timeout --kill-after=20 300 "${nspawn[@]}" </dev/null >"$work/console.log" 2>&1 || true

if ! [ -s "$root/proof.log" ]; then
  echo "FAILED: the container did not boot"
  tail -20 "$work/console.log"
  exit 1
fi
cat "$root/proof.log"
[ "$(tail -1 "$root/proof.log")" = "RESULT proved" ]
