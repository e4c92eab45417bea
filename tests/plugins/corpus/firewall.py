# Opens a port of the cluster, once; and looks into the config for who owns the account.
from starcluster import config
from starcluster.clustersetup import ClusterSetup
from starcluster.logger import log


class Firewall(ClusterSetup):
    def __init__(self, port=8888, cidr='203.0.113.0/24'):
        self.port = int(port)
        self.cidr = cidr

    def run(self, nodes, master, user, user_shell, volumes):
        ec2 = master.ec2
        group = master.cluster_groups[0]
        for i in range(2):
            if not ec2.has_permission(group, 'tcp', self.port, self.port, self.cidr):
                log.info("Opening port %d" % self.port)
                ec2.conn.authorize_security_group(group_id=group.id, ip_protocol='tcp', from_port=self.port,
                                                  to_port=self.port, cidr_ip=self.cidr)
        cluster = master.parent_cluster
        cluster.authorize('udp', self.port, self.port, self.cidr)
        same = ec2.get_security_group(cluster.name).id == group.id
        others = [g.id for g in ec2.get_security_groups(filters={'group-name': [cluster.name, 'default']})]
        settings = config.StarClusterConfig().load()
        mine = config.get_config().get_plugin('firewall')['port']
        zones = len(config.get_easy_ec2().get_zones()) > 1
        f = master.ssh.remote_file('/var/tmp/firewall')
        f.write('%s %s %s %s\n' % (group.id in others, settings.plugins.firewall.port, mine, zones))
        f.write('%s %d %d\n' % (same, len(ec2.aws_access_key_id) > 3, len(ec2.aws_secret_access_key) > 3))
