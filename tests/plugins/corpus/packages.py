# Packages on all nodes at once; the one argument is not a tuple.
from starcluster import clustersetup
from starcluster import threadpool
from starcluster.logger import log


class Packages(clustersetup.ClusterSetup):

    def __init__(self, packages):
        self.pkgs = ' '.join(map(lambda p: p.strip(), packages.split(',')))
        self.pool = threadpool.get_thread_pool(20, disable_threads=False)

    def run(self, nodes, master, user, user_shell, volumes):
        for node in nodes:
            self.pool.simple_job(node.apt_install, (self.pkgs), jobid=node.alias)
        self.pool.wait(numtasks=len(nodes))
        master.apt_command('clean')
        if master.package_provider == 'apt':
            master.package_install('one-more')
        # an image of another family
        master.yum_command('check-update')
        master.yum_install('two-more')

    def on_add_node(self, node, nodes, master, user, user_shell, volumes):
        node.apt_install(self.pkgs)
