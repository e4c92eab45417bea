# The default set-up's steps by their names.
from starcluster import clustersetup
from starcluster.logger import log


class Steps(clustersetup.DefaultClusterSetup):
    def __init__(self, path='/opt/tools', **kw):
        super(Steps, self).__init__(disable_threads=False, num_threads=5, **kw)
        self.path = path

    def _take(self, nodes, master, user, user_shell, volumes):
        self._nodes = nodes
        self._master = master
        self._user = user
        self._user_shell = user_shell
        self._volumes = volumes

    def run(self, nodes, master, user, user_shell, volumes):
        self._take(nodes, master, user, user_shell, volumes)
        master.ssh.execute('mkdir -p /srv/tools; echo tool > /srv/tools/tool')
        self._setup_hostnames()
        self._setup_hostnames(nodes=self.nodes)
        self._setup_ebs_volumes()
        self._setup_cluster_user()
        self._setup_cluster_user(user='guest')
        self._setup_etc_hosts()
        self._setup_scratch(nodes=self.nodes, users=['guest'])
        self._setup_scratch_on_node(master, ['guest'])
        self._setup_nfs(nodes=self.nodes, start_server=True, export_paths=['/srv/tools'])
        self._mount_nfs_shares(self.nodes, export_paths=['/srv/tools'])
        self._setup_passwordless_ssh(nodes=self.nodes)
        uid, gid = self._get_new_user_id(self._user)
        self._add_user_to_nodes(uid, gid, nodes=self.running_nodes)
        for node in self.nodes:
            self.pool.simple_job(node.ssh.execute, ('hostname'), jobid=node.alias)
        names = self.pool.wait(len(self.nodes))
        master.ssh.execute("echo '%s %s %s' > /var/tmp/steps" % (
            ','.join(sorted(self._get_nfs_export_paths())), names and names[0][0], self._get_max_unused_user_id()[0] > uid))

    def on_add_node(self, node, nodes, master, user, user_shell, volumes):
        self._take(nodes, master, user, user_shell, volumes)
        self._create_user(node)
        uid, gid = self._get_new_user_id(user)
        self._add_user_to_node(uid, gid, node)
        self._setup_nfs(nodes=[node], start_server=False, export_paths=['/srv/tools'])

    def on_remove_node(self, node, nodes, master, user, user_shell, volumes):
        self._take(nodes, master, user, user_shell, volumes)
        self._remove_from_known_hosts(node)
        self._remove_from_etc_hosts(node)
        self._remove_nfs_exports(node)
