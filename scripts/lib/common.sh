# shellcheck shell=bash disable=SC2034
# Shared by every script: where things are, messages, and the environment that this system needs.

set -euo pipefail

clone=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
lib=$clone/scripts/lib
build=$clone/build
yes=0
visible=()
meson_options=(--buildtype=debugoptimized)

say ()
{
  printf '==> %s\n' "$*" >&2
}

die ()
{
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# The comment block at the top of a script is its --help.
usage ()
{
  sed -n '/^#!/d; /^#/!q; s/^# \{0,1\}//p' "$0"
  exit 0
}

packages ()
{
  sed 's/#.*//; s/[[:space:]]//g; /^$/d' "$clone/scripts/packages"
}

missing_packages ()
{
  local package
  for package in "$@"; do
    dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed \
      || echo "$package"
  done
}

as_root ()
{
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif ! command -v sudo >/dev/null || { [ ! -t 0 ] && ! sudo -n true 2>/dev/null; }; then
    die "needs root for: $*
Run that as root, then run this again."
  else
    sudo "$@"
  fi
}

# A system that has GIMP 3, or can have it from its own archive, builds natively. Any other gets a
# Debian 13 root.
native ()
{
  local ID='' VERSION_ID='' oldest

  pkg-config --exists gimp-3.0 2>/dev/null && return
  [ -e /etc/os-release ] || return
  # shellcheck disable=SC1091
  . /etc/os-release
  case $ID in
    debian) oldest=13 ;;
    ubuntu) oldest=25.04 ;;
    *) return 1 ;;
  esac
  dpkg --compare-versions "${VERSION_ID:-99}" ge "$oldest"
}

# shellcheck source=scripts/lib/native.sh
. "$lib/native.sh"
# shellcheck source=scripts/lib/root.sh
. "$lib/root.sh"
if native; then environment=native; else environment=root; fi

prepare ()
{
  "${environment}_prepare"
}

# Makes a folder visible in the environment at its own path.
show ()
{
  local path
  [ -d "$1" ] || die "no such folder: $1"
  for path in "$(cd "$1" && pwd)" "$(cd "$1" && pwd -P)"; do
    case $path in
      /|/usr|/usr/bin|/usr/lib*|/usr/share|/etc|/bin|/sbin|/lib*|/var|/dev*|/proc*|/sys*|/run)
        die "$1 would hide a system folder of the environment" ;;
    esac
    [[ " ${visible[*]-} " = *" $path "* ]] || visible+=("$path")
  done
}

# Runs a command in the environment: in the current folder where that is visible there, else in the
# clone.
enter ()
{
  export RUSTICL_ENABLE=${RUSTICL_ENABLE:-llvmpipe}
  "${environment}_enter" "$@"
}

# Like enter, with the built programs, and palimpsest-screenshots, on PATH.
enter_built ()
{
  # shellcheck disable=SC2016
  enter sh -c 'PATH=$0:$PATH; export PATH; exec "$@"' \
    "$build/engine/cli:$build/tests/golden:$lib" "$@"
}

# Brings $build up to date, set up with $meson_options; quiet but for the first time.
compile ()
{
  mkdir -p "$build"
  (
    flock 9
    if [ -e "$build/build.ninja" ]; then
      enter ninja -C "$build" --quiet
    else
      say "building in $build"
      enter meson setup "${meson_options[@]}" "$build" "$clone"
      enter ninja -C "$build"
    fi
  ) 9> "$build/.lock" >&2
}

# stage_plugin FOLDER: puts the built plug-in, complete, into FOLDER/palimpsest.
stage_plugin ()
{
  local stage=$build/stage source target=$1/palimpsest

  rm -rf "$stage"
  enter meson install -C "$build" --quiet --no-rebuild --destdir "$stage"
  source=$(find "$stage" -type d -path '*/plug-ins/palimpsest' -print -quit)
  [ -n "$source" ] || die "meson installed no plug-in"
  mkdir -p "$1"
  rm -rf "$target"
  mv "$source" "$target"
  rm -rf "$stage"
}

show "$clone"
