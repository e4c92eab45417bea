# What is mounted where, and one thing more.
from starcluster.clustersetup import ClusterSetup
from starcluster.logger import log


class Disks(ClusterSetup):
    def __init__(self, also='/also'):
        self.also = also

    def run(self, nodes, master, user, user_shell, volumes):
        if not volumes:
            raise Exception('no volumes')
        name = volumes.keys()[0]
        vol = volumes[name]
        path = vol['mount_path']
        mounts = master.get_mount_map()
        device = [dev for dev in mounts if mounts[dev][0] in (path, self.also)][0]
        sizes = master.get_device_map()
        parts = master.get_partition_map(device=device)
        master.mount_device(device, self.also)
        attached = master.attached_vols
        on_root = master.block_device_mapping[master.root_device_name]
        out = master.ssh.remote_file('/var/tmp/disks', 'w')
        out.writelines(['%s %s %s\n' % (name, vol['volume_id'], path),
                        '%s %d\n' % (mounts[device][1], len(sizes) > 0),
                        '%r %r\n' % (parts, vol.get('partition')),
                        '%s\n' % attached.values()[0].volume_id,
                        '%s %s\n' % (master.root_device_type, on_root.status),
                        '%s\n' % (master.get_volumes() == volumes)])
