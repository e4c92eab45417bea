# Fetches the results before the cluster goes; says of the other hooks that it has nothing to do there.
import os
from starcluster.clustersetup import ClusterSetup
from starcluster.logger import log


class Goodbye(ClusterSetup):
    def __init__(self, result='/var/tmp/result'):
        self.result = result

    def run(self, nodes, master, user, user_shell, volumes):
        f = master.ssh.remote_file(self.result, 'w')
        f.write("42 by %s\n" % user)

    def on_add_node(self, node, nodes, master, user, user_shell, volumes):
        raise NotImplementedError

    def on_remove_node(self, node, nodes, master, user, user_shell, volumes):
        raise NotImplementedError('on_remove_node method not implemented')

    def on_shutdown(self, nodes, master, user, user_shell, volumes):
        master.ssh.get(self.result, os.environ['HOME'])
