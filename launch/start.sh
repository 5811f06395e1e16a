#!/bin/sh
# start.sh FLAGS FILE [ARGUMENT]...: a program's file under the packaged Node, in place of this shell, with the flags of launch/FLAGS.flags.
#
# In sh for two reasons. One process: a Node that only finds out that another one is needed costs as long again, and 40 MB for as long
# as the program runs where it cannot be replaced (Node 20). And Node makes signals deadly again that were ignored when it began, by
# nohup or by a shell's "&": what was ignored is told to the program, as the system says it (proc(5), SigIgn).
launch=$(dirname -- "$0")
flags=$launch/$1.flags
file=$2
shift 2
is_there() { [ -e "$1" ]; }

if [ -r /proc/self/status ]; then
  while read -r name value; do
    [ "$name" = SigIgn: ] && break
  done < /proc/self/status
  export PBT_IGNORED_SIGNALS="$value"
fi

node=$launch/../node_modules/.bin/node
# npm 9, which Debian 12 has, makes no link of that name. Of all systems' packages npm installs the one of this system.
[ -x "$node" ] || for node in "$launch"/../node_modules/node-*/bin/node; do [ ! -x "$node" ] || break; done
if [ -x "$node" ]; then
  # Minimal systems are without a library of this Node's, and the loader names no package. Only where it is not in its usual place, a
  # start shows whether it is there; what is no Linux needs none.
  if [ -n "${PBT_IGNORED_SIGNALS-}" ] && ! is_there /usr/lib/*/libatomic.so.1 && ! words=$("$node" --version 2>&1); then
    echo "pbt: the packaged Node does not start: $words" >&2
    echo '  to do: install the libraries of Node; on Debian and Ubuntu: sudo apt-get install libatomic1 libstdc++6' >&2
    exit 1
  fi
  # The flags are words: they are to be split.
  # shellcheck disable=SC2046
  exec "$node" $(cat "$flags") "$file" "$@"
fi
# Which Node is left, and which flags it knows, the file finds out.
exec node "$file" "$@"
