# Has the default set-up done over again, and then does its own; forgets to construct what it is derived from.
from starcluster.clustersetup import DefaultClusterSetup


class Again(DefaultClusterSetup):
    def __init__(self, note='done again'):
        self.note = note

    def run(self, nodes, master, user, user_shell, volumes):
        if master.ssh.path_exists('/var/tmp/again'):
            return  # done at the start
        DefaultClusterSetup.run(self, nodes, master, user, user_shell, volumes)
        for n in self._nodes:
            n.ssh.execute('echo "%s for %s" > /var/tmp/again' % (self.note, self._user))

    def on_add_node(self, node, nodes, master, user, user_shell, volumes):
        super(Again, self).on_add_node(node, nodes, master, user, user_shell, volumes)
        node.ssh.execute('echo "%s for %s" > /var/tmp/again' % (self.note, node.alias))

    def on_remove_node(self, node, nodes, master, user, user_shell, volumes):
        super(Again, self).on_remove_node(node, nodes, master, user, user_shell, volumes)
