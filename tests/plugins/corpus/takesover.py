# Derived from the default set-up, with two words of its own: whatever it takes over has been done already.
from starcluster.clustersetup import DefaultClusterSetup
from starcluster.logger import log


class TakesOver(DefaultClusterSetup):
    def on_restart(self, nodes, master, user, user_shell, volumes):
        for n in nodes:
            n.ssh.execute('echo before the reboot > /var/tmp/takesover')
