# Goes on as the user, and forgets to go back.
from starcluster.clustersetup import ClusterSetup


class Switcher(ClusterSetup):
    def run(self, nodes, master, user, user_shell, volumes):
        for node in nodes:
            before = node.ssh.get_current_user()
            node.ssh.connect(username=user)
            by_connect = node.ssh.execute('id -un')[0]
            node.ssh.switch_user('root')
            alive = node.ssh.transport.is_active()
            node.ssh.close()
            node.ssh.switch_user(user)
            node.ssh.execute('echo %s %s %s %s > /var/tmp/switcher-%s' % (
                before, by_connect, alive, node.ssh.get_current_user(), node.alias))
            # ... and that is all

    def on_add_node(self, node, nodes, master, user, user_shell, volumes):
        # on the master, where other nodes may be welcomed at the same time
        master.ssh.switch_user(user)
        master.ssh.execute('echo %s added by $(id -un) >> /var/tmp/switcher-added' % node.alias)
