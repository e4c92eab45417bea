# Questions to a node, and tags.
from starcluster.clustersetup import ClusterSetup
from starcluster.logger import log


class Questions(ClusterSetup):
    def run(self, nodes, master, user, user_shell, volumes):
        if master.ssh.path_exists('/var/tmp/questions'):
            return  # done at the start
        for node in nodes:
            answers = [node.is_master(), node.is_spot(), node.is_ebs_backed(), node.is_instance_store(),
                       node.is_stoppable(), node.is_stopped(), node.is_up(), node.is_ssh_up(),
                       node.is_gpu_compute(), node.is_cluster_compute(), node.is_cluster_type()]
            node.wait(interval=5)
            node.add_tag('asked', 'yes')
            node.add_tag('empty')
            node.add_tag('for-a-moment', '1')
            node.remove_tag('for-a-moment')
            state = node.update()
            if node.get_spot_request() != None:
                log.warning('%s is a spot node' % node)
            plugins = [p.name for p in node.get_plugins()]
            text = ''.join(map(lambda a: str(int(a)), answers))
            node.ssh.execute("echo '%s %s %s %s' > /var/tmp/questions" % (
                text, state, plugins.index('questions') > 0, sorted(node.get_volumes().keys())[0]))
