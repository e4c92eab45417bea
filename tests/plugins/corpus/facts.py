# Everything that a node knows of itself, on the node.
import json
from starcluster.clustersetup import ClusterSetup

EASY = """alias id state instance_type image_id key_name key_location user ip_address private_ip_address dns_name
public_dns_name private_dns_name addr placement arch kernel ramdisk launch_time local_launch_time uptime""".split()


class Facts(ClusterSetup):
    def run(self, nodes, master, user, user_shell, volumes):
        if master.ssh.path_exists('/var/tmp/facts.json'):
            return  # done at the start
        for node in nodes:
            facts = dict([(name, unicode(getattr(node, name))) for name in EASY])
            group = node.parent_cluster
            assert group.id in [g.id for g in node.groups]
            facts.update({
                'again': [node.alias, node.id, str(node.state), node.instance_type, node.image_id, node.key_name,
                          node.key_location, node.user, node.ip_address, node.private_ip_address, node.dns_name,
                          node.public_dns_name, node.private_dns_name, node.addr, node.placement, node.arch,
                          node.kernel, node.ramdisk, node.launch_time, node.local_launch_time, node.uptime],
                'short': node.private_dns_name_short,
                'tag': node.tags['alias'],
                'cluster': node.cluster_groups[0].name,
                'region': str(node.region),
                'index': node.ami_launch_index,
                'processors': node.num_processors / 1,
                'memory': node.memory > 16.0,
                'devices': sorted(node.block_device_mapping.keys()),
                'volumes': len(node.attached_vols),
                'root': [node.root_device_name, node.root_device_type],
                'network': [node.vpc_id[:4], node.subnet_id[:7]],
                'spot': node.spot_id,
                'data': node.user_data.split('\n')[0],
                'instance': node.instance.id == node.id,
                'ec2': node.ec2 is not None,
                'repr': `node`,
            })
            f = node.ssh.remote_file('/var/tmp/facts.json', 'w')
            json.dump(facts, f)
