# Files and folders by SFTP.
import stat
from starcluster.clustersetup import ClusterSetup

BASE = '/var/tmp/folders'


class Folders(ClusterSetup):
    def run(self, nodes, master, user, user_shell, volumes):
        if master.ssh.path_exists('/var/tmp/folders/seen'):
            return  # done at the start
        ssh = master.ssh
        ssh.execute('rm -rf ' + BASE)
        ssh.mkdir(BASE)
        ssh.mkdir(BASE, ignore_failure=True)
        ssh.mkdir(BASE + '/narrow', mode=0700)
        ssh.makedirs(BASE + '/deep/er/est', 0755)
        ssh.execute('cd %s; touch one.txt two.txt; ln -s nowhere dangling; printf "keep\\ndrop 1\\ndrop 2\\n" > lines' % BASE)
        ssh.chmod(0604, BASE + '/one.txt')
        owner = master.getpwnam(user)
        ssh.chown(owner.pw_uid, owner.pw_gid, BASE + '/two.txt')
        ssh.unlink(BASE + '/deep/er/est/../../../lines2') if ssh.path_exists(BASE + '/lines2') else None
        ssh.execute('touch %s/unwanted' % BASE)
        ssh.unlink(BASE + '/unwanted')
        seen = [('dangling leads somewhere', ssh.path_exists(BASE + '/dangling')),
                ('dangling is there', ssh.lpath_exists(BASE + '/dangling')),
                ('dangling is a link', stat.S_ISLNK(ssh.lstat(BASE + '/dangling').st_mode)),
                ('deep is a folder', ssh.isdir(BASE + '/deep')), ('deep is a file', ssh.isfile(BASE + '/deep')),
                ('one.txt is a file', ssh.isfile(BASE + '/one.txt')),
                ('one.txt has the mode', oct(stat.S_IMODE(ssh.stat(BASE + '/one.txt').st_mode))),
                ('ls', ' '.join([p.split('/')[-1] for p in ssh.ls(BASE)])), ('glob', ' '.join(ssh.glob(BASE + '/*.txt'))),
                ('matching', ssh.get_remote_file_lines(BASE + '/lines', regex='^drop')),
                ('others', ssh.get_remote_file_lines(BASE + '/lines', '^drop', matching=False))]
        ssh.remove_lines_from_file(BASE + '/lines', 'drop [0-9]')
        f = ssh.remote_file(BASE + '/seen')
        for what, value in seen:
            print >> f, '%s: %s' % (what, value)
