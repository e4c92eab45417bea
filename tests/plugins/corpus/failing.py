# Goes wrong, in the way that its setting says.
from starcluster import threadpool
from starcluster.clustersetup import ClusterSetup

class Failing(ClusterSetup):
    def __init__(self, how='command', hook='run'):
        self.how, self.hook = how, hook

    def fail(self, nodes):
        if self.how == 'command':
            nodes[-1].ssh.execute('echo "some words" >&2; no-such-program')
        elif self.how == 'pool':
            pool = threadpool.get_thread_pool(10)
            for node in nodes:
                pool.simple_job(node.ssh.execute, ('echo here I am; exit 6'))
            pool.wait(numtasks=len(nodes))

    def run(self, nodes, master, user, user_shell, volumes):
        if self.hook == 'run':
            self.fail(nodes)

    def on_remove_node(self, node, nodes, master, user, user_shell, volumes):
        if self.hook == 'on_remove_node':
            raise Exception, "nobody leaves"
