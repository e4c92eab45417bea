#!/usr/bin/env bash
# What somebody does who has no driver: look every so often whether the node is there, and start it all anew if not.
#     by_hand.sh CLUSTER NODE SECONDS COMMAND
set -u
while :; do
  if ! starcluster listclusters "$1" | grep -q " $2 running"; then
    starcluster addnode -a "$2" -I c5.large -b 0.09 "$1" &&
      starcluster sshnode "$1" "$2" "nohup $4 >/dev/null 2>&1 </dev/null &"
  fi
  sleep "$3"
done
