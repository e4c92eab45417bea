# Names of hosts.
from starcluster.clustersetup import ClusterSetup


class Hostnames(ClusterSetup):
    def run(self, nodes, master, user, user_shell, volumes):
        for node in nodes:
            node.set_hostname(hostname=node.alias + '-for-now')
            seen = node.ssh.execute('hostname')[0]
            node.set_hostname()
            node.add_to_etc_hosts(nodes)
            node.ssh.execute('echo "10.9.8.7 licences" >> /etc/hosts; echo %s > /var/tmp/hostname' % seen)
            node.ssh.remove_lines_from_file('/etc/hosts', '^10.9.8.7 ')
            node.ssh.execute('echo "%s" >> /var/tmp/hostname' % node.get_hosts_entry())
            names = node.network_names
            node.ssh.execute('echo "%s" >> /var/tmp/hostname' % ' '.join([names[k] for k in sorted(names.keys())]))

    def on_remove_node(self, node, nodes, master, user, user_shell, volumes):
        for other in nodes:
            if other.id != node.id:
                other.remove_from_etc_hosts([node])
