# Every hook; it writes down what it was called with, on the node and on this machine.
import os
from starcluster.clustersetup import ClusterSetup
from starcluster.logger import log


class Witness(ClusterSetup):
    def __init__(self, *args, **kwargs):
        self.diary = os.path.join(os.environ['HOME'], 'witness')
        log.info("%s %s" % (len(args), sorted(kwargs.items())))
        super(Witness, self).__init__(*args, **kwargs)

    def _note(self, hook, nodes, master, user, shell, volumes, node=None):
        f = file(self.diary, 'a')
        print >>f, hook, [n.alias for n in nodes], master.alias, user, shell, volumes.keys(), node
        f.close()

    def run(self, nodes, master, user, shell, volumes):
        self._note('run', nodes, master, user, shell, volumes)

    def on_add_node(self, new_node, nodes, master, user, shell, volumes):
        self._note('on_add_node', nodes, master, user, shell, volumes, new_node.alias)

    def on_remove_node(self, gone, nodes, master, user, shell, volumes):
        self._note('on_remove_node', nodes, master, user, shell, volumes, gone.alias)

    def on_restart(self, nodes, master, user, shell, volumes):
        self._note('on_restart', nodes, master, user, shell, volumes)

    def on_shutdown(self, nodes, master, user, shell, volumes):
        self._note('on_shutdown', nodes, master, user, shell, volumes)
