# A folder of the master on all nodes.
from starcluster import clustersetup
from starcluster.logger import log


class Shares(clustersetup.ClusterSetup):
    def __init__(self, path='/srv/shared', gone='/srv/gone'):
        self.path, self.gone = path, gone

    def run(self, nodes, master, user, user_shell, volumes):
        workers = [n for n in nodes if n.alias <> master.alias]
        for path in (self.path, self.gone):
            if not master.ssh.path_exists(path):
                master.ssh.makedirs(path, mode=0755)
        master.ssh.execute('echo from-the-master > %s/hello' % self.path)
        master.start_nfs_server()
        master.export_fs_to_nodes(workers, [self.path, self.gone])
        for node in workers:
            node.mount_nfs_shares(master, [self.path])
        master.stop_exporting_fs_to_nodes(workers, paths=[self.gone])

    def on_add_node(self, node, nodes, master, user, user_shell, volumes):
        master.export_fs_to_nodes([node], [self.path])
        node.mount_nfs_shares(master, remote_paths=[self.path])

    def on_remove_node(self, node, nodes, master, user, user_shell, volumes):
        log.info("no more %s for %s" % (self.path, node.alias))
        master.stop_exporting_fs_to_nodes([node])
