# For other scripts to source: `packages COMMAND PACKAGE...` installs Debian's packages where the command is missing. Stages
# run side by side, and the package manager serves one at a time.
packages() {
    local command=$1
    shift
    ! command -v "$command" > /dev/null || return 0
    echo "installing $*"
    mkdir -p build/ci
    (
        flock 9
        apt-get -qq update && DEBIAN_FRONTEND=noninteractive \
            apt-get -qq -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@" > /dev/null
    ) 9> build/ci/packages.lock
}
