# For other scripts to source: find_python 3.12 prints the path of that Python, or nothing where there is none; 3.14t is
# the free-threaded one.
find_python() {
    local candidate
    for candidate in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1"[.-]*/bin/python \
        "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"${1%t}".*t/bin/python; do
        if "$candidate" -c "
import sys, sysconfig
suffix = 't' if sysconfig.get_config_var('Py_GIL_DISABLED') else ''
sys.exit('%d.%d' % sys.version_info[:2] + suffix != '$1')" 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
}
