"""Commands of cloud-init inside a node: text to install at a path, mode 0755."""

CLOUD_INIT = r"""#!/bin/sh
# cloud-init's command as far as a node of the local cloud has it: status, --version
state_file=/run/cloud-init/state

usage() {
    echo "usage: cloud-init status [--wait] [--long] [--format json]" >&2
    exit 2
}

state() {
    if [ -r "$state_file" ]; then cat "$state_file"; else echo "not started"; fi
}

status() {
    wait=no long=no format=text
    while [ $# -gt 0 ]; do
        case "$1" in
            --wait|-w) wait=yes ;;
            --long|-l) long=yes ;;
            --format) shift; format=$1 ;;
            --format=*) format=${1#--format=} ;;
            *) usage ;;
        esac
        shift
    done
    while [ "$wait" = yes ]; do
        case "$(state)" in
            running|"not started") sleep 0.2 ;;
            *) break ;;
        esac
    done
    now=$(state)
    case "$now" in
        degraded) word=done extended="degraded done" code=2 ;;
        error) word=error extended=error code=1 ;;
        *) word=$now extended=$now code=0 ;;
    esac
    if [ "$format" = json ]; then
        printf '{"status": "%s", "extended_status": "%s"}\n' "$word" "$extended"
    else
        echo "status: $word"
    fi
    if [ "$long" = yes ] && [ "$format" != json ]; then
        echo "extended_status: $extended"
        echo "detail: DataSourceEc2Local"
        if [ -s /run/cloud-init/faults ]; then echo "errors:"; cat /run/cloud-init/faults; else echo "errors: []"; fi
    fi
    exit "$code"
}

case "${1:-}" in
    status) shift; status "$@" ;;
    --version|-v) echo "cloud-init localcloud" ;;
    *) usage ;;
esac
"""

SHIMS = {"/usr/bin/cloud-init": CLOUD_INIT}
