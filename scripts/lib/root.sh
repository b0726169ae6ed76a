# shellcheck shell=bash disable=SC2154
# A system without GIMP 3: a Debian 13 root, built once by mmdebstrap, entered for the build and the
# run. Root enters it by chroot; an ordinary user does the same inside a user namespace, where the
# user's own id is 0 and the ids of /etc/subuid are the others.

root=$(realpath -m "${PALIMPSEST_ROOT:-$clone/.root}")
stamp=$root/.palimpsest-ready
root_suite=trixie

# Runs a command as (namespace) root with mounts of its own, so that no mount outlives it.
isolated ()
{
  if [ "$(id -u)" = 0 ]; then
    unshare --mount --propagation private -- "$@"
  else
    unshare --map-root-user --map-auto --mount --propagation private -- "$@"
  fi
}

package_hash ()
{
  packages | sort | sha256sum | cut -d' ' -f1
}

# Mirror and transport options are the host's, so that a proxy or a local mirror keeps working.
host_mirror ()
{
  local mirror
  # shellcheck disable=SC2016
  mirror=$(apt-get indextargets --format '$(REPO_URI) $(LABEL)' 2>/dev/null \
           | grep -m1 -E ' Debian$|/debian/? *$' | cut -d' ' -f1) || true
  echo "${mirror:-http://deb.debian.org/debian}"
}

host_apt_options ()
{
  apt-config dump \
    | grep -E '^Acquire::(https?|Check-|Retries)[^"]*"[^"]+"' \
    | sed 's/^/--aptopt=/' || true
}

root_tools ()
{
  local need=(mmdebstrap debian-archive-keyring) missing

  command -v apt-get >/dev/null \
    || die "this system has neither GIMP 3 nor apt-get; build on Debian 12 or newer, or install GIMP 3"
  [ "$(id -u)" = 0 ] || need+=(uidmap)
  mapfile -t missing < <(missing_packages "${need[@]}")
  [ "${#missing[@]}" -gt 0 ] || return 0
  say "installing on this system: ${missing[*]}"
  as_root apt-get update -q
  as_root apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

check_namespaces ()
{
  isolated true 2>/dev/null && return
  [ "$(id -u)" != 0 ] || die "this container allows no mount namespace (unshare --mount): grant it CAP_SYS_ADMIN"
  die "this kernel or account allows no user namespaces (unshare --map-root-user --map-auto).
Give the account a range in /etc/subuid and /etc/subgid and allow them
(sysctl kernel.unprivileged_userns_clone=1, or kernel.apparmor_restrict_unprivileged_userns=0),
or run this command as root."
}

root_build ()
{
  local new=$root.new options started=$SECONDS

  mapfile -t options < <(host_apt_options)
  say "building a Debian 13 root in $root: about 0.5 GB to download, 2.5 GB on disk, two or three minutes"
  isolated rm -rf "$new"
  # shellcheck disable=SC2016
  isolated mmdebstrap --mode=root --variant=minbase --format=directory \
    --include="$(packages | paste -sd,)" \
    --dpkgopt=force-unsafe-io \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --customize-hook='echo "downloaded: $(du -sh --apparent-size "$1/var/cache/apt/archives" | cut -f1)" >&2' \
    "${options[@]}" "$root_suite" "$new" "$(host_mirror)" >&2
  package_hash > "$new/$(basename "$stamp")"
  mv "$new" "$root"
  say "the root is ready after $((SECONDS - started)) s"
}

# A changed package list only adds what is missing.
root_update ()
{
  local list

  mapfile -t list < <(packages)
  say "the package list has changed: installing what the root lacks"
  root_enter apt-get -q -o Acquire::Languages=none update >&2
  root_enter apt-get install -y -qq --no-install-recommends "${list[@]}" >&2
  root_enter apt-get clean
  package_hash > "$stamp"
}

root_prepare ()
{
  [ "$(cat "$stamp" 2>/dev/null)" != "$(package_hash)" ] || return 0
  root_tools
  check_namespaces
  mkdir -p "$(dirname "$root")"
  (
    flock 9
    if [ ! -e "$stamp" ]; then
      root_build
    elif [ "$(cat "$stamp")" != "$(package_hash)" ]; then
      root_update
    fi
  ) 9> "$root.lock"
}

root_enter ()
{
  local folder directory=$clone
  for folder in "${visible[@]}"; do
    [[ $PWD/ != "$folder"/* ]] || directory=$PWD
  done
  isolated "$lib/enter" "$root" "$directory" "${visible[@]}" -- "$@"
}
