# Shells on this terminal, such as it is.
from starcluster.clustersetup import ClusterSetup


class Shells(ClusterSetup):
    def run(self, nodes, master, user, user_shell, volumes):
        status = master.shell(user=user, command='echo $USER > /var/tmp/shell; exit 5')
        master.ssh.interactive_shell()
        master.ssh.execute('echo %d >> /var/tmp/shell' % status)
