# Files up, down and across.
import os
import shutil
import tempfile
from starcluster.clustersetup import ClusterSetup


class Copies(ClusterSetup):
    def run(self, nodes, master, user, user_shell, volumes):
        if master.ssh.path_exists('/var/tmp/copies/back'):
            return  # done at the start
        here = tempfile.mkdtemp()
        os.mkdir(os.path.join(here, 'tree'))
        for name, text in {'a.txt': 'aye', 'b.txt': 'bee'}.iteritems():
            f = open(os.path.join(here, 'tree', name), 'w')
            f.write(text)
            f.close()
        ssh = master.ssh
        ssh.execute('rm -rf /var/tmp/copies; mkdir /var/tmp/copies')
        ssh.put(os.path.join(here, 'tree'), '/var/tmp/copies')
        ssh.put([os.path.join(here, 'tree', 'a.txt'), os.path.join(here, 'tree', 'b.txt')], remotepath='/var/tmp/copies')
        ssh.scp.put(os.path.join(here, 'tree', 'a.txt'), '/var/tmp/copies/by-scp')
        ssh.sftp.put(os.path.join(here, 'tree', 'b.txt'), '/var/tmp/copies/by-sftp')
        os.mkdir(os.path.join(here, 'back'))
        ssh.get('/var/tmp/copies/*.txt', os.path.join(here, 'back'))
        ssh.scp.get('/var/tmp/copies/by-scp', os.path.join(here, 'back', 'c.txt'))
        ssh.sftp.close()
        ssh.sftp.get('/var/tmp/copies/by-sftp', os.path.join(here, 'back', 'd.txt'))
        back = [open(os.path.join(here, 'back', name)).read() for name in sorted(os.listdir(os.path.join(here, 'back')))]
        ssh.execute('echo "%s" > /var/tmp/copies/back; chmod 640 /var/tmp/copies/back; chown 3:4 /var/tmp/copies/back' % ' '.join(back))
        shutil.rmtree(here)
        workers = [n for n in nodes if not n.is_master()]
        master.copy_remote_file_to_nodes('/var/tmp/copies/back', workers, dest='/var/tmp/copied')
        for n in workers:
            master.copy_remote_file_to_node('/etc/motd', n, '/var/tmp/motd-of-master')
