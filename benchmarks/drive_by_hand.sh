#!/usr/bin/env bash
# What somebody does who has no drives: the aws command, typed without a pause for thought at the moment of the loss, in
# the best order there is (the next machine is asked for first, so that it boots meanwhile).
#     drive_by_hand.sh first ZONE                               a spot machine with a new volume, mounted at /data
#     drive_by_hand.sh notice|death|away ZONE INSTANCE VOLUME   the same volume, or with `away` its copy, on the next one
# The last line of the output is the machine and the volume. IMAGE and GROUP come by the environment.
set -euo pipefail
ROOT_TOO='#!/bin/sh
cp /home/ubuntu/.ssh/authorized_keys /root/.ssh/authorized_keys'
HOSTS=$(mktemp)
trap 'rm -f "$HOSTS"' EXIT

launch() {
  aws ec2 run-instances --image-id "$IMAGE" --instance-type m5.large --key-name local --security-group-ids "$GROUP" \
    --placement "AvailabilityZone=$1" --instance-market-options MarketType=spot --user-data "$ROOT_TOO" \
    --query 'Instances[0].InstanceId' --output text
}

on() {
  local machine=$1
  shift
  ssh -F "$HOSTS" -l root -o BatchMode=yes -o ConnectTimeout=5 "$machine" "$@"
}

reach() {
  aws ec2 wait instance-running --instance-ids "$1"
  starcluster local ssh-config >"$HOSTS"
  until on "$1" true 2>/dev/null; do sleep 1; done
}

# MACHINE VOLUME [command before the mount]
give() {
  local disk=/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_${2/-/}
  aws ec2 wait volume-available --volume-ids "$2"
  aws ec2 attach-volume --instance-id "$1" --volume-id "$2" --device /dev/sdf >/dev/null
  on "$1" "until [ -b $disk ]; do sleep 0.5; done; ${3:-true} $disk && mkdir -p /data && mount $disk /data"
}

# MACHINE VOLUME: while it has its notice
free() {
  starcluster local ssh-config >"$HOSTS"
  on "$1" umount /data
  aws ec2 detach-volume --volume-id "$2" >/dev/null
}

copied() {
  local snapshot
  snapshot=$(aws ec2 create-snapshot --volume-id "$1" --query SnapshotId --output text)
  aws ec2 wait snapshot-completed --snapshot-ids "$snapshot"
  aws ec2 create-volume --availability-zone "$2" --snapshot-id "$snapshot" --volume-type gp3 --query VolumeId --output text
}

what=$1 zone=$2
new=$(launch "$zone")
case $what in
  first)
    volume=$(aws ec2 create-volume --availability-zone "$zone" --size 1 --volume-type gp3 --query VolumeId --output text)
    reach "$new"
    give "$new" "$volume" "mkfs.ext4 -q"
    ;;
  notice)
    volume=$4
    free "$3" "$volume"
    reach "$new"
    give "$new" "$volume"
    ;;
  death)
    volume=$4
    reach "$new"
    give "$new" "$volume"
    ;;
  away)
    free "$3" "$4"
    volume=$(copied "$4" "$zone")
    reach "$new"
    give "$new" "$volume"
    ;;
esac
echo "$new $volume"
