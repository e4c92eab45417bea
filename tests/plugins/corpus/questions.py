# Questions to a node, and tags.
from starcluster.clustersetup import ClusterSetup
from starcluster.logger import log


class Questions(ClusterSetup):
    def run(self, nodes, master, user, user_shell, volumes):
        if master.ssh.path_exists('/var/tmp/questions'):
            return  # done at the start
        for node in nodes:
            answers = [('master', node.is_master()), ('spot', node.is_spot()), ('ebs-backed', node.is_ebs_backed()),
                       ('instance-store', node.is_instance_store()), ('stoppable', node.is_stoppable()),
                       ('stopped', node.is_stopped()), ('up', node.is_up()), ('ssh-up', node.is_ssh_up()),
                       ('gpu', node.is_gpu_compute()), ('cluster-compute', node.is_cluster_compute()),
                       ('cluster-type', node.is_cluster_type())]
            node.wait(interval=5)
            node.add_tag('asked', 'yes')
            node.add_tag('empty')
            node.add_tag('for-a-moment', '1')
            node.remove_tag('for-a-moment')
            state = node.update()
            if node.get_spot_request() != None:
                log.warning('%s is a spot node' % node)
            plugins = [p.name for p in node.get_plugins()]
            yes = map(lambda (word, answer): word, filter(lambda (word, answer): answer, answers))
            first = plugins.index('questions') == 0
            node.ssh.execute("printf '%%s\\n' 'is: %s' 'state: %s' 'first plugin: %s' 'volume: %s' > /var/tmp/questions" % (
                ' '.join(yes), state, first, sorted(node.get_volumes().keys())[0]))
