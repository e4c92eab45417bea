# Jobs side by side, and their results by number.
from starcluster import threadpool
from starcluster.clustersetup import ClusterSetup
from starcluster.logger import log


def double(n):
    return n * 2


class Pooled(ClusterSetup):
    def __init__(self):
        self._pool = None

    @property
    def pool(self):
        if not self._pool:
            self._pool = threadpool.get_thread_pool(size=8, disable_threads=False)
        return self._pool

    def run(self, nodes, master, user, user_shell, volumes):
        pool = self.pool
        half = (len(nodes) + 1) / 2
        for node in nodes[:half]:
            pool.simple_job(node.ssh.execute, ('hostname',), {'silent': True}, jobid=node.alias)
        results = pool.wait(numtasks=half)
        doubled = pool.map(double, range(5), jobid_fn=lambda n: 'job %d' % n)
        pool.simple_job(double, 21, jobid='21')
        pool.wait(numtasks=1, return_results=False)
        left = pool.get_results()
        pool.progress_bar.reset()
        evens = filter(lambda n: n % 4 == 0, doubled)
        pool.shutdown()
        pool.join()
        master.ssh.execute("echo '%s %d %s %s' > /var/tmp/pooled" % (
            results[0][0], evens[1], map(str, left), reduce(lambda a, b: a + b, doubled)))
