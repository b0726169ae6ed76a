# shellcheck shell=bash disable=SC2154
# A system that has GIMP 3: its own packages.

native_prepare ()
{
  local list missing answer

  if ! command -v dpkg-query >/dev/null; then
    { command -v meson && pkg-config --exists gimpui-3.0 json-glib-1.0 OpenCL libpng; } >/dev/null \
      || die "install what scripts/packages lists, under this system's names, and run this again"
    return
  fi

  mapfile -t list < <(packages)
  mapfile -t missing < <(missing_packages "${list[@]}")
  [ "${#missing[@]}" -gt 0 ] || return 0

  say "missing on this system: ${missing[*]}"
  if [ "$yes" = 0 ]; then
    [ -t 0 ] || die "there is no terminal to ask on. Run this again with --yes, or first, as root:
apt-get install --no-install-recommends ${missing[*]}"
    read -r -p 'Install them? [y/N] ' answer
    case $answer in [yY]*) ;; *) die "nothing was installed" ;; esac
  fi
  as_root apt-get update -q
  as_root apt-get install -y -q --no-install-recommends "${missing[@]}"
}

native_enter ()
{
  "$@"
}
