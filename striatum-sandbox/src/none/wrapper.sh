# Runs an agent and leaves on disk what is needed to find it and to learn how it ended.
#
#   sh -c SCRIPT striatum-agent FOLDER SUFFIX BOOT PROGRAM [ARGUMENT...]
#
# FOLDER/process$SUFFIX   who leads the group: written before the agent starts
# FOLDER/outcome$SUFFIX   how the agent ended: written after it ended by itself
# FOLDER/killed$SUFFIX    made by the host before it ends this group: no outcome is written from then on
# FOLDER/closed           made by the host before it ends the session: nothing starts from then on
#
# Whatever the environment names belongs to the agent, so no variable is set here before the agent has ended, save in subshells.
# Signals keep their default action: one that is sent to the whole group ends this shell before it can write an outcome.

(
    PATH=/usr/bin:/bin:/usr/sbin:/sbin:$PATH
    umask 077
    if [ -r "/proc/$$/stat" ]; then
        read -r stat <"/proc/$$/stat" || exit 1
        # The fields after the name, which ends at the last parenthesis; the 20th of them is the start time.
        fields=${stat##*)}
        start=$(set -f; set -- $fields; shift 19; printf %s "$1")
    else
        start=$(set -f; set -- $(LC_ALL=C TZ=UTC0 ps -o lstart= -p $$); printf %s "$*")
    fi
    [ -n "$start" ] || { echo 'the start time is not known' >&2; exit 1; }
    printf '{"pid":%d,"start":"%s","boot":"%s"}\n' "$$" "$start" "$3" >"$1/.process$2" &&
        mv -f "$1/.process$2" "$1/process$2"
) || exit 1

# The host makes the mark and then reads the records; we write the record and then look for the mark. One sees the other.
if [ -e "$1/closed" ] || [ -e "$1/killed$2" ]; then
    echo 'the session is closed' >&2
    exit 1
fi

# One byte tells the host that the agent is about to start. From here on standard error is the agent's alone: what this shell
# would say of its end goes nowhere.
printf + >&2
exec 3>&2 2>/dev/null

(
    shift 3
    unset PWD OLDPWD SHLVL
    exec "$@" 2>&3 3>&-
)
status=$?

if [ -e "$1/closed" ] || [ -e "$1/killed$2" ]; then
    exit "$status"
fi
PATH=/usr/bin:/bin:$PATH
umask 077
if [ "$status" -gt 128 ] && [ "$status" -le 192 ]; then
    printf '{"signal":%d}\n' "$((status - 128))" >"$1/.outcome$2"
else
    printf '{"code":%d}\n' "$status" >"$1/.outcome$2"
fi && mv -f "$1/.outcome$2" "$1/outcome$2"
exit "$status"
