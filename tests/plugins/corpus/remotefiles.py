# remote_file in all its moods; most of them are never closed.
from starcluster.clustersetup import ClusterSetup

kept = []  # so that nothing is collected before the program ends


class RemoteFiles(ClusterSetup):
    def run(self, nodes, master, user, user_shell, volumes):
        if master.ssh.path_exists('/var/tmp/remote-report'):
            return  # done at the start
        ssh = master.ssh
        f = ssh.remote_file('/var/tmp/remote-open', 'w')
        kept.append(f)
        ssh.execute('test -e /var/tmp/remote-open')
        f.write('first\n')
        assert ssh.execute('cat /var/tmp/remote-open') == ['first']
        f.writelines(['second\n', u'third \xe9\n'])
        f.chmod(0640)
        f.chown(0, 0)
        size = f.stat().st_size
        again = ssh.remote_file('/var/tmp/remote-open', 'a')
        again.write('appended by %s\n' % again.name)
        kept.append(again)
        with ssh.remote_file('/var/tmp/remote-open', 'r') as reading:
            head = reading.read(6)
            rest = reading.readlines()
        report = ssh.remote_file('/var/tmp/remote-report', 'w')
        report.write('%d %s %d %s' % (size, head.strip(), len(rest), rest[-1]))
        report.close()
        for i in xrange(150):
            one = ssh.remote_file('/var/tmp/remote-many', 'w')
            one.write('%d' % i)
            kept.append(one)
