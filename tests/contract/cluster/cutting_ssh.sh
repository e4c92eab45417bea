#!/bin/sh
# Stands in for the ssh program. CUT_UP, CUT_DOWN: the connection breaks after so many bytes that way; CUT_TIMES: so often.
# NO_PYTHON: as if the node had none.
count=$(cat "$CUT_COUNT" 2>/dev/null || echo 0)
echo $((count + 1)) >"$CUT_COUNT"
before= after=
if [ "$count" -lt "${CUT_TIMES:-0}" ]; then
  before=${CUT_UP:+stdbuf -o0 head -c $CUT_UP |} after=${CUT_DOWN:+| stdbuf -o0 head -c $CUT_DOWN}
fi
for word; do
  shift
  case $word in
  ProxyCommand=*) word="ProxyCommand=$before ${word#ProxyCommand=} $after" ;;
  *python3*) [ -z "$NO_PYTHON" ] || word=$(printf %s "$word" | sed s/python3/no-python/) ;;
  esac
  set -- "$@" "$word"
done
exec /usr/bin/ssh "$@"
